/** Sent bytes that wait in a socket because the other side does not read. */
import type { Socket } from 'node:net';

/** The least pace of a reader: bytes a second, on average over `overMs`. */
export interface ReaderPace {
  readonly minRate: number;
  readonly overMs: number;
}

/**
 * Watches the bytes that wait to be sent on a socket, until the caller calls the returned function, and reports a
 * reader that is slower than the pace. With an idle timeout alone the other side could take a byte now and then, for
 * ever.
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

/** The number that Node's own idle timeout uses, which has no public name; 0 where it is unknown. */
function unsentBytes(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize ?? 0;
}
