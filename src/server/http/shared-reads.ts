/**
 * What comes over plain sockets is read into one piece of memory, as Node's parser does where it reads by itself: whoever
 * takes a read copies what is kept of it, and the kernel always writes to memory that is in the processor's cache. Memory
 * of its own for every read cost bodies a third more CPU time.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { readingInto } from '../../base/reading-memory.ts';

/** What libuv reads at a time. */
const READ_BYTES = 64 * 1024;

/** Looks at what was read; its memory is written over as soon as this returns. */
export type TakeRead = (piece: Buffer) => void;

const shared = Buffer.allocUnsafeSlow(READ_BYTES);
/** Who looks at the reads of a socket before they go into its stream. */
const takers = new WeakMap<Duplex, TakeRead>();

/** A socket in place of `accepted`, which reads into the memory that all sockets share. Its users see an ordinary socket. */
export function readShared(accepted: Socket): Socket {
  const callback = (bytes: number): boolean => {
    const piece = shared.subarray(0, bytes);
    const take = takers.get(socket);
    // What waits in the stream came before.
    if (take === undefined || socket.readableLength > 0 || socket.isPaused())
      return socket.push(Buffer.from(piece));
    take(piece);
    return true;
  };
  const socket: Socket =
    readingInto(accepted, { buffer: shared, callback }, { allowHalfOpen: true }) ?? accepted;
  return socket;
}

/** Has the reads of a socket of {@link readShared} looked at from now on; with undefined its stream gets them again. */
export function takeReads(socket: Duplex, take: TakeRead | undefined): void {
  if (take === undefined) takers.delete(socket);
  else takers.set(socket, take);
}
