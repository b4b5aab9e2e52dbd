/** Bytes that a socket was given and the other side does not take. */
import type { Socket } from 'node:net';

/** The least pace of a reader: bytes a second, on average over `overMs`. */
export interface ReaderPace {
  readonly minRate: number;
  readonly overMs: number;
}

/**
 * Watches over what waits to be sent on a socket, until the returned function is called, and tells where it gets less too
 * slowly. The idle time of a socket alone would let the other side take a byte now and then, for ever.
 */
export function watchReader(socket: Socket, { minRate, overMs }: ReaderPace, onSlow: () => void): () => void {
  let before = unsentBytes(socket);
  const timer = setInterval(() => {
    const now = unsentBytes(socket);
    const isSlow = before > 0 && now > 0 && now <= before && before - now < (minRate * overMs) / 1000;
    before = now;
    if (!isSlow) return;
    clearInterval(timer);
    onSlow();
  }, overMs).unref();
  return () => clearInterval(timer);
}

/** Node's own idle time looks at this number, which has no public name; 0 where it is not known. */
function unsentBytes(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize ?? 0;
}
