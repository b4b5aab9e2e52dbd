/** The command line's outer edge: the only catch, and the only exit. */
import { CommanderError } from 'commander';
import { EXIT, type ExitCode } from '../base/errors.ts';
import { errorObject, failureOf, type Failure } from './failure.ts';
import { flushOutput, isOutputClosed, print, tolerateClosedPipes } from './output.ts';
import { createProgram } from './program.ts';
import { jsonLine } from './screen/json-line.ts';

/** The words before `--`: what comes after it belongs to somebody else's command. */
function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return argv.slice(2, end === -1 ? undefined : end);
}

function show(failure: Failure): ExitCode {
  for (const line of failure.lines) process.stderr.write(`cairn: ${line}\n`);
  if (ownWords(process.argv).includes('--json')) printLast(jsonLine(errorObject(failure)));
  return failure.exitCode;
}

function printLast(line: string): void {
  try {
    print(line);
  } catch {
    // It may be this very output that failed; the exit code says so.
  }
}

/** Commander has already said what it did not understand. */
function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.done;
    return show({ code: 'usage', message: error.message, exitCode: EXIT.usage, lines: [] });
  }
  const failure = failureOf(error, process.argv[2]);
  return isOutputClosed(error) ? failure.exitCode : show(failure);
}

async function run(argv: string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  try {
    await createProgram((result) => (exitCode = result)).parseAsync(argv);
  } catch (error) {
    exitCode = exitCodeOf(error);
  }
  return exitCode;
}

tolerateClosedPipes();
// What nobody awaited is a bug, and is told like one. An exit handler restores the terminal.
process.on('uncaughtException', (error) => process.exit(exitCodeOf(error)));
const exitCode = await run(process.argv);
await flushOutput();
// A connection that is kept alive must not keep the process.
process.exit(exitCode);
