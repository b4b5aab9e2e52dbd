/** Standard output and standard error at the edges of the process. */
import { fstatSync, writeSync, readSync, statSync } from 'node:fs';
import { isatty } from 'node:tty';
import { CairnError, systemCodeOf } from '../../base/errors.ts';

const STDOUT = 1;

/** The first failed write to standard output for whose end no caller waited. */
let failure: CairnError | undefined;
let isKnownDirect: boolean | undefined;

const CLOSED = new Set(['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/**
 * Lets writes to a pipe whose reader has gone (`cairn ls … | head`) end quietly instead of as a crash; anything else that
 * goes wrong with standard output is told at the end, see {@link outputFailure}. Where standard error cannot be written,
 * no message can be shown, and the exit code is that of the work.
 */
export function watchOutputs(): void {
  process.stdout.on('error', (error) => {
    // A terminal that was closed reads as little as a pipe whose reader has gone.
    if (process.stdout.isTTY && systemCodeOf(error) === 'EIO') return;
    failure ??= outputError(error);
  });
  process.stderr.on('error', () => undefined);
}

/** Why standard output does not have all that was printed; undefined where it has, or where its reader has gone. */
export function outputFailure(): CairnError | undefined {
  return failure === undefined || isOutputClosed(failure) ? undefined : failure;
}

/** Lets a server outlive what its messages for people go to: a full disk, a terminal that was closed. */
export function ignoreFailedMessages(): void {
  process.stderr.removeAllListeners('error');
  process.stderr.on('error', () => undefined);
}

/**
 * Writes a result to standard output, for which a command was run.
 *
 * @throws CairnError `storage-full`, `storage-io` where it shows at once that it cannot be written; also where standard output
 * is closed, which looks like a /dev/null that is open for both ways
 */
export function print(text: string): void {
  refuseClosedStdout();
  printAside(text);
}

/** Writes what a command says beside its work; a user may throw that away on purpose. @throws CairnError like {@link print} */
export function printAside(text: string): void {
  if (isDirect()) writeDirectly(Buffer.from(text));
  else process.stdout.write(text);
}

/** Refuses a standard output that takes nothing. @throws CairnError `storage-io` */
export function refuseClosedStdout(): void {
  if (!isClosedDescriptor(STDOUT)) return;
  const message = 'standard output is closed; to discard the result, use >/dev/null';
  throw new CairnError('storage-io', message, { details: { isOutput: true } });
}

/** Resolves when everything written so far has left the process, or can no longer leave it. */
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

/** Writes to standard output and waits until the bytes may be reused. @throws CairnError `storage-full`, `storage-io` */
export async function writeToStdout(bytes: Uint8Array): Promise<void> {
  if (isDirect()) writeDirectly(bytes);
  else await writeToStream(bytes);
}

function writeToStream(bytes: Uint8Array): Promise<void> {
  return new Promise((done, fail) => {
    process.stdout.write(bytes, (error) => {
      if (error) fail(outputError(error));
      else done();
    });
  });
}

/**
 * What is no pipe, socket or terminal takes bytes at once. Of those that it does not take Node's own stream says nothing, and
 * for kinds that Node does not know it throws all of them away.
 */
function isDirect(): boolean {
  if (isKnownDirect === undefined) {
    const stat = fstatSync(STDOUT);
    isKnownDirect = !stat.isFIFO() && !stat.isSocket() && !isatty(STDOUT);
  }
  return isKnownDirect;
}

function writeDirectly(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.byteLength;) at += writeSync(STDOUT, bytes, at);
  } catch (error) {
    throw outputError(error);
  }
}

function outputError(error: unknown): CairnError {
  const systemCode = systemCodeOf(error) ?? 'unknown';
  const isClosed = CLOSED.has(systemCode);
  const code = FULL.has(systemCode) ? 'storage-full' : 'storage-io';
  const message = isClosed
    ? 'the reader of standard output closed it before the end'
    : `writing to standard output failed: ${systemCode}`;
  return new CairnError(code, message, {
    cause: error,
    details: { systemCode, isOutput: true, isOutputClosed: isClosed },
  });
}

/** Whether an error only says that the reader of the output has gone: worth an exit code, but no message. */
export function isOutputClosed(error: unknown): boolean {
  return error instanceof CairnError && error.details['isOutputClosed'] === true;
}

/**
 * Whether standard input or output is closed. Node puts /dev/null in its place, open for both ways; a shell opens it for one.
 * Some programs that start others open it for both, too: that looks the same.
 */
export function isClosedDescriptor(fd: 0 | 1): boolean {
  const nullDevice = statSync('/dev/null', { bigint: true, throwIfNoEntry: false })?.rdev;
  if (nullDevice === undefined || fstatSync(fd, { bigint: true }).rdev !== nullDevice) return false;
  try {
    // The way that it is not used for.
    if (fd === 0) writeSync(fd, new Uint8Array(0));
    else readSync(fd, new Uint8Array(1), 0, 1, null);
    return true;
  } catch {
    return false; // which is what was asked
  }
}
