/**
 * Tells of sent bytes once they have left this machine, the oldest first: what a socket took may wait in the buffers of
 * the system for minutes.
 */
const LOOK_EVERY_MS = 250;
/** A look costs the more the more connections the machine has: most of the time is not for that. */
const LOOK_SHARE = 20;

/** Holds back the news of sent bytes. */
export interface Confirming {
  /** A socket took so many bytes of a chunk. */
  sent(chunk: number, bytes: number): void;
  /** The other side has all of a chunk that was sent. */
  answered(chunk: number): void;
  /** The request that carried a chunk broke: what it had sent is told once it is known what arrived. */
  broken(chunk: number): void;
  /** Bytes of a chunk are to be sent again; answers how many of them had been told. */
  lost(chunk: number, bytes: number): number;
}

/**
 * Makes one.
 *
 * @param tell told of bytes of a chunk that have crossed
 * @param unconfirmed how many bytes are on their way in all; undefined where that cannot be known: then all that was sent
 * is told
 * @param signal ends it
 */
export function createConfirming(
  tell: (chunk: number, bytes: number) => void,
  unconfirmed: () => Promise<number | undefined>,
  signal: AbortSignal,
): Confirming {
  /** Bytes that are not told yet, by chunk, in the order in which the chunks began. */
  const pending = new Map<number, number>();
  /** Chunks of requests that broke: their sockets confirm nothing any more. */
  const broken = new Set<number>();
  let isLooking = false;
  let isBlind = false;

  const release = (chunk: number, bytes: number): void => {
    const untoldBytes = pending.get(chunk) ?? 0;
    const taken = Math.min(untoldBytes, bytes);
    if (taken === untoldBytes) pending.delete(chunk);
    else pending.set(chunk, untoldBytes - taken);
    if (taken > 0) tell(chunk, taken);
  };
  const look = async (): Promise<void> => {
    const beganMs = performance.now();
    const bytes = await unconfirmed();
    // The connections of a transfer that is over have nothing to confirm, and say so.
    if (signal.aborted) return;
    isBlind = bytes === undefined;
    const chunks = [...pending.keys()].filter((chunk) => !broken.has(chunk));
    let crossedBytes = chunks.reduce((sum, chunk) => sum + (pending.get(chunk) ?? 0), -(bytes ?? 0));
    for (const chunk of chunks) {
      if (crossedBytes <= 0) break;
      const untoldBytes = pending.get(chunk) ?? 0;
      release(chunk, crossedBytes);
      crossedBytes -= untoldBytes;
    }
    isLooking = false;
    if (pending.size > 0) lookLater(Math.max(LOOK_EVERY_MS, LOOK_SHARE * (performance.now() - beganMs)));
  };
  const lookLater = (delayMs: number): void => {
    isLooking = true;
    setTimeout(() => void look(), delayMs).unref();
  };
  return {
    sent: (chunk, bytes) => {
      if (isBlind) {
        tell(chunk, bytes);
        return;
      }
      broken.delete(chunk);
      pending.set(chunk, (pending.get(chunk) ?? 0) + bytes);
      if (!isLooking) lookLater(LOOK_EVERY_MS);
    },
    answered: (chunk) => {
      broken.delete(chunk);
      release(chunk, Infinity);
    },
    broken: (chunk) => void broken.add(chunk),
    lost: (chunk, bytes) => {
      const untoldBytes = pending.get(chunk) ?? 0;
      const lostUntold = Math.min(untoldBytes, bytes);
      if (lostUntold > 0) pending.set(chunk, untoldBytes - lostUntold);
      if (untoldBytes === lostUntold) pending.delete(chunk);
      return bytes - lostUntold;
    },
  };
}
