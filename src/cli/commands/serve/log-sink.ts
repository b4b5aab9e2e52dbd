/** Where log lines go: a descriptor that may be full, or without a reader. Neither stops or ends the process. */
import { write as writeAsync, writeSync } from 'node:fs';
import { systemCodeOf } from '../../../base/errors.ts';

/** Takes lines for a descriptor; pino writes to it. */
export interface LogSink {
  /** Takes a line with its end; where too many wait already, it is lost, and counted. */
  write(line: string): void;
  /** Resolves when no line waits, or when none can be written. */
  flush(): Promise<void>;
  /** Writes what waits as far as that is possible without waiting long: the process ends. */
  flushSync(): void;
}

/** A file descriptor that does not block: a write that would have to wait fails with `EAGAIN`. */
export interface Descriptor {
  write(bytes: Uint8Array, done: (error: Error | null, writtenBytes: number) => void): void;
  writeSync(bytes: Uint8Array): number;
}

/** The lines, and the batch of them that is being written. */
interface LogLines {
  /** Takes a line with its end; where too many wait already, it is lost. */
  add(text: string): void;
  /** What is to be written now: the rest of the batch, or the next one; undefined where nothing waits. */
  batch(): Uint8Array | undefined;
  /** So many bytes of the batch were written. */
  wrote(bytes: number): void;
  /** The batch could not be written: its lines are lost. */
  failed(): void;
  /** Another thread writes the rest of the batch. */
  giveAway(): void;
}

interface Batch {
  bytes: Uint8Array;
  readonly lines: number;
  /** Lost lines that it tells of. */
  readonly told: number;
}

interface Bounded {
  /** False where there is no room. */
  add(text: string): boolean;
  /** The first lines, as many as go well together. */
  take(): { text: string; lines: number };
}

/** A pipe that is full is tried again after this, a descriptor that fails after that. */
const RETRY_MS = { full: 50, failed: 1000 };
/** How long an end waits for a reader. */
const MAX_FLUSH_MS = 500;
const FULL = new Set(['EAGAIN', 'EWOULDBLOCK']);

const MAX_WAITING_BYTES = 1024 * 1024;
const BATCH_BYTES = 64 * 1024;
const NEW_LINE = 0x0a;

/**
 * Makes the sink of a descriptor.
 *
 * @param lostLine the line, with its end, that tells how many lines were lost
 */
export function createLogSink(descriptor: Descriptor, lostLine: (count: number) => string): LogSink {
  const lines = createLogLines(lostLine);
  let timer: NodeJS.Timeout | undefined;
  let isWriting = false;
  let idle: (() => void)[] = [];
  const retry = (ms: number): void => {
    timer = setTimeout(() => {
      timer = undefined;
      pump();
    }, ms).unref();
  };
  const failed = (error: Error): void => {
    if (isFull(error)) return retry(RETRY_MS.full);
    lines.failed();
    retry(RETRY_MS.failed);
  };
  const pump = (): void => {
    if (isWriting || timer !== undefined) return;
    const batch = lines.batch();
    if (batch === undefined) {
      for (const done of idle) done();
      idle = [];
      return;
    }
    isWriting = true;
    descriptor.write(batch, (error, writtenBytes) => {
      isWriting = false;
      if (error === null) lines.wrote(writtenBytes);
      else failed(error);
      pump();
    });
  };
  return {
    write: (text) => {
      lines.add(text);
      pump();
    },
    flush: () =>
      new Promise((resolve) => {
        const giveUp = setTimeout(resolve, MAX_FLUSH_MS);
        idle.push(() => {
          clearTimeout(giveUp);
          resolve();
        });
        pump();
      }),
    flushSync: () => {
      // A batch that is being written belongs to another thread, which ends it before the process does.
      if (isWriting) lines.giveAway();
      writeWhatWaits(descriptor, lines);
    },
  };
}

/** Ends with what fails, and with a reader that lets it wait. */
function writeWhatWaits(descriptor: Descriptor, lines: LogLines): void {
  let triesLeft = MAX_FLUSH_MS / RETRY_MS.full;
  for (let batch = lines.batch(); batch !== undefined && triesLeft > 0; batch = lines.batch()) {
    try {
      lines.wrote(descriptor.writeSync(batch));
    } catch (error) {
      if (!isFull(error)) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS.full);
      triesLeft -= 1;
    }
  }
}

function isFull(error: unknown): boolean {
  return FULL.has(systemCodeOf(error) ?? '');
}

/** A descriptor of the system; the caller has made sure that it does not block. */
export function descriptorOf(fd: number): Descriptor {
  return {
    write: (bytes, done) => writeAsync(fd, bytes, (error, writtenBytes) => done(error, writtenBytes)),
    writeSync: (bytes) => writeSync(fd, bytes),
  };
}

/** Makes the lines of a log; `lostLine` is the line, with its end, that tells how many were lost. */
function createLogLines(lostLine: (count: number) => string): LogLines {
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
