/** Where log lines go: a descriptor that may be full, or that nobody reads. Neither stops or ends the process. */
import { write as writeAsync, writeSync } from 'node:fs';
import { systemCodeOf } from '../../../base/errors.ts';
import { createLogLines, type LogLines } from './log-lines.ts';

/** Takes lines for a descriptor; pino writes to it. */
export interface LogSink {
  /** Takes a line with its end; where too many wait already, it is lost, and counted. */
  write(line: string): void;
  /** Resolves when nothing waits any more, or nothing moves. */
  flush(): Promise<void>;
  /** Writes what waits as far as that is possible without waiting long: the process ends. */
  flushSync(): void;
}

/** A file descriptor that does not block: a write that would have to wait fails with `EAGAIN`. */
export interface Descriptor {
  write(bytes: Uint8Array, done: (error: Error | null, writtenBytes: number) => void): void;
  writeSync(bytes: Uint8Array): number;
}

/** A pipe that is full is tried again after this, a descriptor that fails after that. */
const RETRY_MS = { full: 50, failed: 1000 };
/** How long an end waits for a reader. */
const MAX_FLUSH_MS = 500;
const FULL = new Set(['EAGAIN', 'EWOULDBLOCK']);

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

/** A descriptor of the system; whoever names it has made sure that it does not block. */
export function descriptorOf(fd: number): Descriptor {
  return {
    write: (bytes, done) => writeAsync(fd, bytes, (error, writtenBytes) => done(error, writtenBytes)),
    writeSync: (bytes) => writeSync(fd, bytes),
  };
}
