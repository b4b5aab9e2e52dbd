/** How slow the other side of a body may be. */
import type { Socket } from 'node:net';
import type { ServerLimits } from '../limits.ts';

/** The pace of bodies: `idleMs` without a byte, or an average rate below the least one, ends them. */
export interface Pace {
  readonly idleMs: number;
  /** Bytes a second, on average over `overMs` of waiting for the other side. */
  readonly minRate: number;
  readonly overMs: number;
}

/** The pace that a server asks for. */
export function paceOf({ idleBodyMs, minBodyRate, bodyRateOverMs }: ServerLimits): Pace {
  return { idleMs: idleBodyMs, minRate: minBodyRate, overMs: bodyRateOverMs };
}

/** The least that must move while the other side lets this one wait for `overMs`. */
export function leastBytes({ minRate, overMs }: Pace): number {
  return (minRate * overMs) / 1000;
}

/**
 * Ends the connection of a client that reads too slowly, until the returned function is called: what this process still
 * holds for it must get less by the least rate. The idle time alone would let it read a byte now and then, for ever.
 */
export function watchReader(socket: Socket, pace: Pace, onSlow: () => void): () => void {
  let before = unsentBytes(socket);
  const timer = setInterval(() => {
    const now = unsentBytes(socket);
    const isMoving = now === undefined || before === undefined || before - now >= leastBytes(pace);
    // More than before: what was there has gone, and more has come.
    if (isMoving || now > before!) {
      before = now;
      return;
    }
    clearInterval(timer);
    onSlow();
    socket.destroy();
  }, pace.overMs);
  return () => clearInterval(timer);
}

/** Bytes that the system has not taken yet; Node's own idle time looks at the same number, and has no other name for it. */
function unsentBytes(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize;
}
