/** Lines that wait to be written to a log: bounded, and what is lost of them is counted and told. */

/** The lines, and the batch of them that is being written. */
export interface LogLines {
  /** Takes a line with its end; where too many wait already, it is lost. */
  add(text: string): void;
  /** What is to be written now: the rest of the batch, or the next one; undefined where nothing waits. */
  batch(): Uint8Array | undefined;
  /** So many bytes of the batch were written. */
  wrote(bytes: number): void;
  /** The batch could not be written: its lines are lost. */
  failed(): void;
  /** Somebody else writes the rest of the batch. */
  giveAway(): void;
}

const MAX_WAITING_BYTES = 1024 * 1024;
const BATCH_BYTES = 64 * 1024;
const NEW_LINE = 0x0a;

interface Batch {
  bytes: Uint8Array;
  readonly lines: number;
  /** Lost lines that it tells of. */
  readonly told: number;
}

/** Makes the lines of a log; `lostLine` is the line, with its end, that tells how many were lost. */
export function createLogLines(lostLine: (count: number) => string): LogLines {
  const waiting = createBounded();
  let current: Batch | undefined;
  let lost = 0;
  let isTorn = false;
  const next = (): Batch | undefined => {
    const { text, lines } = waiting.take();
    if (lines === 0 && lost === 0) return undefined;
    // What was written of a line that failed ends here.
    const before = `${isTorn ? '\n' : ''}${lost > 0 ? lostLine(lost) : ''}`;
    return { bytes: Buffer.from(before + text), lines, told: lost };
  };
  return {
    add: (text) => {
      if (!waiting.add(text)) lost += 1;
    },
    batch: () => (current ??= next())?.bytes,
    wrote: (bytes) => {
      if (current === undefined) return;
      if (bytes > 0) isTorn = current.bytes[bytes - 1] !== NEW_LINE;
      current.bytes = current.bytes.subarray(bytes);
      if (current.bytes.byteLength > 0) return;
      lost -= current.told;
      current = undefined;
    },
    failed: () => {
      lost += current?.lines ?? 0;
      current = undefined;
    },
    giveAway: () => (current = undefined),
  };
}

interface Bounded {
  /** False where there is no room. */
  add(text: string): boolean;
  /** The first lines, as many as go well together. */
  take(): { text: string; lines: number };
}

function createBounded(): Bounded {
  let waiting: { readonly text: string; readonly bytes: number }[] = [];
  let waitingBytes = 0;
  return {
    add: (text) => {
      const bytes = Buffer.byteLength(text);
      if (waitingBytes + bytes > MAX_WAITING_BYTES) return false;
      waiting.push({ text, bytes });
      waitingBytes += bytes;
      return true;
    },
    take: () => {
      let [text, bytes, lines] = ['', 0, 0];
      for (const line of waiting) {
        if (lines > 0 && bytes + line.bytes > BATCH_BYTES) break;
        text += line.text;
        bytes += line.bytes;
        lines += 1;
      }
      waiting = waiting.slice(lines);
      waitingBytes -= bytes;
      return { text, lines };
    },
  };
}
