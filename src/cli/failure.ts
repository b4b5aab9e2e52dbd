/** How an error ends a command: what people read, what scripts read, and the exit code. */
import { inspect } from 'node:util';
import {
  CairnError,
  EXIT,
  storageError,
  systemCodeOf,
  type ErrorCode,
  type ExitCode,
} from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';
import { VERSION } from './version.ts';

/** An error, ready to be shown. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly exitCode: ExitCode;
  /** Lines for people. */
  readonly lines: readonly string[];
}

const HOW_TO_GIVE_A_TOKEN = [
  'the server wants an access token; these are the ways to give one:',
  '  --token-file FILE     a file that only you can read (chmod 600)',
  '  CAIRN_TOKEN=…         in the environment',
  '  cairn login URL       where the server takes the tokens of an issuer that you have an account with',
  '  --tls-client-cert …   a certificate of yours instead, where the server accepts them',
  '  nothing at all        where the server runs on this machine, as the same user with the same state directory',
  'the server says at its start where it keeps its token',
];
const KEPT = 'everything that was checkpointed is kept: run the same command again to resume';

const NEW_TOKEN = [
  'put a new access token where this one came from (--token-file, CAIRN_TOKEN, cairn login) and run the same command again:',
  'everything that was checkpointed is kept for its owner',
];

const ADVICE: Readonly<Partial<Record<ErrorCode, readonly string[]>>> = {
  'unauthenticated': HOW_TO_GIVE_A_TOKEN,
  'token-expired': NEW_TOKEN,
  'token-revoked': NEW_TOKEN,
  'transfer-locked': ['the same transfer is already running on this machine'],
  'session-not-found': ['run the same command again to start over'],
  'not-a-cairn-server': ['check the host, the port and, behind a reverse proxy, the prefix of the URL'],
};
/** Commands whose work is checkpointed. */
const RESUMABLE = new Set(['push', 'pull']);

/** What to do next, where the message alone does not say. */
export function adviceFor(error: CairnError, command: string | undefined): readonly string[] {
  // Who looks after the sessions of others has nothing to start over.
  if (command === 'sessions' && error.code === 'session-not-found') return [];
  const known = ADVICE[error.code];
  if (known !== undefined) return known;
  const isResumable = command !== undefined && RESUMABLE.has(command);
  // What went to standard output cannot be taken back.
  if (error.details['isOutput'] === true) return [];
  return isResumable && error.traits.exitCode === EXIT.storage ? [KEPT] : [];
}

/** The failure that an error is; whatever is no CairnError, or says `internal`, is a bug. */
export function failureOf(thrown: unknown, command?: string): Failure {
  const error = withoutFiles(thrown);
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

function bugOf(error: unknown): Failure {
  const trace = error instanceof Error ? [error.stack ?? String(error), ...causeOf(error)] : [String(error)];
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'internal',
    message,
    exitCode: EXIT.bug,
    lines: [
      'this is a bug in cairn; please report it with the lines below and the command that you ran',
      `cairn ${VERSION}, Node.js ${process.version}, ${process.platform} ${process.arch}`,
      ...trace.flatMap(printableLines),
    ],
  };
}

function causeOf(error: Error): string[] {
  if (error.cause === undefined) return [];
  // Inspecting tells more of whatever was thrown than turning it into a string.
  return [`caused by: ${inspect(error.cause)}`];
}

function printableLines(text: string): string[] {
  return text.split('\n').map(printable);
}

/** The last line under `--json`. */
export function errorObject({ code, message, exitCode }: Failure): Record<string, unknown> {
  return { type: 'error', code, message, exitCode };
}
