/** Memory that sockets read into: large buffers for those that bring much, used again and again, and few of them. */

/** What one read can bring. */
const LARGE_BYTES = 256 * 1024;
const SMALL_BYTES = 16 * 1024;
/** Large buffers of this process, in use or not; a socket that gets none reads into a small one. */
const MAX_LARGE = 64;

const free: Buffer[] = [];
let made = 0;

/** A buffer for a read of which `expectedBytes` are still to come. Give it back. */
export function takeReadBuffer(expectedBytes: number): Buffer {
  if (expectedBytes <= SMALL_BYTES) return Buffer.allocUnsafeSlow(SMALL_BYTES);
  const large = free.pop();
  if (large !== undefined) return large;
  if (made >= MAX_LARGE) return Buffer.allocUnsafeSlow(SMALL_BYTES);
  made += 1;
  return Buffer.allocUnsafeSlow(LARGE_BYTES);
}

/** Nobody looks at the buffer any more. */
export function giveBackReadBuffer(buffer: Buffer): void {
  if (buffer.byteLength === LARGE_BYTES) free.push(buffer);
}
