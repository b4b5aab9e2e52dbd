/** Standard output and standard error at the edges of the process. */
import { CairnError, systemCodeOf } from '../base/errors.ts';

/**
 * Lets writes to a pipe whose reader has gone (`cairn ls … | head`) end quietly instead of as a crash. Any other failure
 * ends the process as the error that it is.
 */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      const failure = outputError(error);
      if (!isOutputClosed(failure)) throw failure;
    });
  }
}

/** Lets a server outlive what its messages for people go to: a full disk, a terminal that was closed. */
export function ignoreFailedMessages(): void {
  process.stderr.removeAllListeners('error');
  process.stderr.on('error', () => undefined);
}

/** Writes a result to standard output. @throws CairnError `storage-full`, `storage-io` where that shows at once */
export function print(text: string): void {
  try {
    process.stdout.write(text);
  } catch (error) {
    throw outputError(error);
  }
}

/** Resolves when everything written so far has left the process, or cannot any more. */
export async function flushOutput(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(flush));
}

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((done) => {
    // Only a pipe may still hold something back.
    if (stream.writableLength === 0 || stream.destroyed) done();
    else stream.write('', () => done());
  });
}

/** Writes to standard output and waits until the bytes may be reused. @throws CairnError `storage-io` */
export function writeToStdout(bytes: Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    try {
      process.stdout.write(bytes, (error) => {
        if (error) fail(outputError(error));
        else done();
      });
    } catch (error) {
      // What is no pipe is written at once.
      fail(outputError(error));
    }
  });
}

function outputError(error: unknown): CairnError {
  const systemCode = systemCodeOf(error) ?? 'unknown';
  const isClosed = CLOSED.has(systemCode);
  const code = systemCode === 'ENOSPC' ? 'storage-full' : 'storage-io';
  const message = isClosed
    ? 'the reader of standard output went away before the end'
    : `writing to standard output failed: ${systemCode}`;
  return new CairnError(code, message, {
    cause: error,
    details: { systemCode, isOutput: true, isOutputClosed: isClosed },
  });
}

const CLOSED = new Set(['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);

/** Whether an error only says that nobody reads the output any more: worth an exit code, but no words. */
export function isOutputClosed(error: unknown): boolean {
  return error instanceof CairnError && error.details['isOutputClosed'] === true;
}
