/** The command line. */
import { CommanderError } from 'commander';
import { EXIT, type ExitCode } from '../base/errors.ts';
import { runProcess, show } from './edge.ts';
import { createProgram } from './program.ts';

async function runCommand(): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  try {
    await createProgram((result) => (exitCode = result)).parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has already said what it did not understand.
    if (error.exitCode === 0) return EXIT.done;
    return show({ code: 'usage', message: error.message, exitCode: EXIT.usage, lines: [] });
  }
  return exitCode;
}

void runProcess(runCommand);
