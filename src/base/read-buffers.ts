/** Memory that sockets read into: a few large buffers, used again and again, for sockets that receive much. */

/** Most bytes of one read. */
const LARGE_BYTES = 256 * 1024;
const SMALL_BYTES = 16 * 1024;
/** Most large buffers of this process, in use or not; further sockets read into small ones. */
const MAX_LARGE = 64;

const free: Buffer[] = [];
let made = 0;

/** A buffer for a read when `expectedBytes` are still to come. Give it back. */
export function takeReadBuffer(expectedBytes: number): Buffer {
  if (expectedBytes <= SMALL_BYTES) return Buffer.allocUnsafeSlow(SMALL_BYTES);
  const large = free.pop();
  if (large !== undefined) return large;
  if (made >= MAX_LARGE) return Buffer.allocUnsafeSlow(SMALL_BYTES);
  made += 1;
  return Buffer.allocUnsafeSlow(LARGE_BYTES);
}

/** Takes back a buffer that is no longer in use. */
export function giveBackReadBuffer(buffer: Buffer): void {
  if (buffer.byteLength === LARGE_BYTES) free.push(buffer);
}
