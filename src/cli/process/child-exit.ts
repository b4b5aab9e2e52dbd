/** How processes ended that this one started, and what that means for its own end. */
import { EXIT, type ErrorCode, type ExitCode } from '../../base/errors.ts';

const EXIT_CODES = new Set<number>(Object.values(EXIT));
/** How a process ended that one of these signals has ended. */
const BY_SIGNAL: Readonly<Partial<Record<NodeJS.Signals, ExitCode>>> = {
  SIGINT: EXIT.interrupted,
  SIGTERM: EXIT.terminated,
  SIGHUP: EXIT.terminated,
};

/** For each exit code the most general error code that has it. */
export const GENERAL: Readonly<Record<ExitCode, ErrorCode | 'ok'>> = {
  [EXIT.done]: 'ok',
  [EXIT.bug]: 'internal',
  [EXIT.usage]: 'usage',
  [EXIT.partial]: 'partial',
  [EXIT.notFound]: 'not-found',
  [EXIT.network]: 'network',
  [EXIT.denied]: 'forbidden',
  [EXIT.integrity]: 'verify-failed',
  [EXIT.takenOver]: 'transfer-locked',
  [EXIT.storage]: 'storage-io',
  [EXIT.sessionGone]: 'session-not-found',
  [EXIT.sourceCommandFailed]: 'source-command-failed',
  [EXIT.hookFailed]: 'job-hook-failed',
  [EXIT.jobOverdue]: 'job-overdue',
  [EXIT.interrupted]: 'interrupted',
  [EXIT.terminated]: 'terminated',
};

/** Partial is the mildest failure; beyond it, the larger number wins. */
export function worstOf(exitCodes: readonly ExitCode[]): ExitCode {
  const rank = (exitCode: ExitCode): number => (exitCode === EXIT.partial ? 0.5 : exitCode);
  return exitCodes.reduce<ExitCode>((worst, next) => (rank(next) > rank(worst) ? next : worst), EXIT.done);
}

/** The exit code of a process; a second signal has it end by that signal instead. */
export function childExitCode(status: number | null, signal: NodeJS.Signals | null): ExitCode {
  if (status !== null && EXIT_CODES.has(status)) return status as ExitCode;
  return (signal === null ? undefined : BY_SIGNAL[signal]) ?? EXIT.bug;
}
