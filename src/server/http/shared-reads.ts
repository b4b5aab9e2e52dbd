/**
 * All plain sockets read into one piece of memory, as Node's parser does where it reads by itself: the taker of a read
 * copies what it keeps, and the kernel always writes to memory in the processor's cache.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { readingInto } from '../../base/reading-memory.ts';

/** Size of the reads that libuv makes. */
const READ_BYTES = 64 * 1024;

/** Takes a read; the next read overwrites its memory as soon as this returns. */
export type TakeRead = (piece: Buffer) => void;

const shared = Buffer.allocUnsafeSlow(READ_BYTES);
/** The functions that take the reads of sockets in place of their streams. */
const takers = new WeakMap<Duplex, TakeRead>();

/** A socket in place of `accepted` that reads into the shared memory. Its users see an ordinary socket. */
export function readShared(accepted: Socket): Socket {
  const callback = (bytes: number): boolean => {
    const piece = shared.subarray(0, bytes);
    const take = takers.get(socket);
    // The bytes that wait in the stream are earlier ones.
    if (take === undefined || socket.readableLength > 0 || socket.isPaused())
      return socket.push(Buffer.from(piece));
    take(piece);
    return true;
  };
  const socket: Socket =
    readingInto(accepted, { buffer: shared, callback }, { allowHalfOpen: true }) ?? accepted;
  return socket;
}

/** Gives `take` the reads of a socket of {@link readShared} from now on; with undefined its stream gets them again. */
export function takeReads(socket: Duplex, take: TakeRead | undefined): void {
  if (take === undefined) takers.delete(socket);
  else takers.set(socket, take);
}
