/** The outer edge of every process: it catches what a command lets through, and ends the process. */
import { atMost } from '../../base/at-most.ts';
import { EXIT, type ExitCode } from '../../base/errors.ts';
import { errorObject, failureOf, type Failure } from './failure.ts';
import { outliveTerminal } from './interruption.ts';
import { flushOutput, isOutputClosed, outputFailure, printAside, watchOutputs } from './output.ts';
import { wantsJson } from './variable.ts';
import { hasColors } from '../screen/terminal.ts';
import { jsonLine } from '../report/json-line.ts';

const RED = '\u001B[31m';
const BOLD = '\u001B[1m';
const PLAIN = '\u001B[0m';
/** How long standard output may take the rest of what was written when a signal ends the process. */
const LAST_WORDS_MS = 1000;

/** What happened stands out; what is kept and what to do follow it. */
export function failureText(lines: readonly string[], isColored: boolean): string {
  const name = isColored ? `${RED}cairn:${PLAIN}` : 'cairn:';
  const shown = lines.map((line, index) => (isColored && index === 0 ? `${BOLD}${line}${PLAIN}` : line));
  return shown.map((line) => `${name} ${line}\n`).join('');
}

/** Shows people how a command failed. */
export function tell({ lines }: Failure): void {
  process.stderr.write(failureText(lines, hasColors(process.stderr, process.env)));
}

/** Shows people and scripts how a command failed. */
export function show(failure: Failure): ExitCode {
  tell(failure);
  if (wantsJson(process.argv, process.env)) printLast(jsonLine(errorObject(failure)));
  return failure.exitCode;
}

function printLast(line: string): void {
  try {
    printAside(line);
  } catch {
    // It may be this very output that failed; the exit code says so.
  }
}

function exitCodeOf(error: unknown): ExitCode {
  const failure = failureOf(error, process.argv[2]);
  return isOutputClosed(error) ? failure.exitCode : show(failure);
}

/** Runs `command` as all that this process is for, and ends with its exit code, or with that of what it throws. */
export async function runProcess(command: () => Promise<ExitCode>): Promise<never> {
  let exitCode: ExitCode = EXIT.done;
  watchOutputs();
  outliveTerminal();
  // An error that no code awaited is a bug, and is shown as one. An exit handler restores the terminal.
  process.on('uncaughtException', (error) => process.exit(exitCodeOf(error)));
  // Where nothing is left that could go on, Node would end with 0 in the middle of the work.
  const onNothingLeft = (): never => process.exit(exitCodeOf(new Error('nothing is left to wait for')));
  process.once('beforeExit', onNothingLeft);
  try {
    exitCode = await command();
  } catch (error) {
    exitCode = exitCodeOf(error);
  }
  // A reader that takes nothing must not keep a process that was asked to end.
  const isAskedToEnd = exitCode === EXIT.interrupted || exitCode === EXIT.terminated;
  await (isAskedToEnd ? atMost(LAST_WORDS_MS, flushOutput()) : flushOutput());
  const failure = outputFailure();
  // A result that could not be printed is none.
  if (failure !== undefined && (exitCode === EXIT.done || exitCode === EXIT.partial))
    exitCode = exitCodeOf(failure);
  // A connection that is kept alive must not keep the process.
  process.exit(exitCode);
}
