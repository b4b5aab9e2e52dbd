/** How an error ends a command: what people read, what scripts read, and the exit code. */
import { inspect } from 'node:util';
import {
  CairnError,
  EXIT,
  storageError,
  systemCodeOf,
  type ErrorCode,
  type ExitCode,
} from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { adviceFor } from './advice.ts';
import { VERSION } from './cairn-version.ts';

/** An error, ready to be shown. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: ExitCode;
  /** Lines for people. */
  readonly lines: readonly string[];
}

/** The failure for an error. One that is no CairnError, or has the code `internal`, is a bug. */
export function failureOf(thrown: unknown, command?: string): Failure {
  const error = withoutFiles(withoutDirectory(thrown));
  if (!(error instanceof CairnError) || error.code === 'internal') return bugOf(error);
  const { code, message } = error;
  // The signal has told all there is to tell.
  const lines =
    code === 'interrupted' || code === 'terminated' ? [] : [message, ...adviceFor(error, command)];
  return { code, message, exitCode: error.traits.exitCode, lines: lines.flatMap(printableLines) };
}

/** Even parts of cairn itself are files, which are opened when they are first needed. */
function withoutFiles(error: unknown): unknown {
  const isShort = ['EMFILE', 'ENFILE'].includes(systemCodeOf(error) ?? '');
  return isShort ? storageError(error, 'running this command; raise the limit (ulimit -n)') : error;
}

/** Node throws this where a relative path is resolved after the working directory was removed. */
function withoutDirectory(error: unknown): unknown {
  const isGone = error instanceof Error && 'syscall' in error && error.syscall === 'uv_cwd';
  if (!isGone) return error;
  const message =
    'the working directory was removed; change to another one, or give absolute paths instead of relative ones';
  return new CairnError('not-found', message, { cause: error });
}

function bugOf(error: unknown): Failure {
  const trace = error instanceof Error ? [error.stack ?? String(error), ...causeOf(error)] : [String(error)];
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'internal',
    message,
    exitCode: EXIT.bug,
    lines: [
      'this is a bug in cairn; please report it, with the lines below and the command that you ran',
      `cairn ${VERSION}, Node.js ${process.version}, ${process.platform} ${process.arch}`,
      ...trace.flatMap(printableLines),
    ],
  };
}

function causeOf(error: Error): string[] {
  if (error.cause === undefined) return [];
  // Inspecting tells more of a thrown value than turning it into a string.
  return [`caused by: ${inspect(error.cause)}`];
}

function printableLines(text: string): string[] {
  return text.split('\n').map(printable);
}

/** The last line under `--json`. */
export function errorObject({ code, message, exitCode }: Failure): Record<string, unknown> {
  return { type: 'error', code, message, exitCode };
}
