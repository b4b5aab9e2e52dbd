/** The command line. */
import { CommanderError, type Command } from 'commander';
import { EXIT, type ExitCode } from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';
import { runProcess, show } from './process/edge.ts';
import { readEnvironment } from './options/environment.ts';
import { whyOnlyLocal } from './options/selection-options.ts';
import { createProgram } from './program.ts';

async function runCommand(): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  const program = createProgram((result) => (exitCode = result));
  readEnvironment(program);
  try {
    await program.parseAsync(process.argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    // Help was asked for by giving no command; commander has printed it.
    const isHelp = error.code === 'commander.help';
    return show({
      code: 'usage',
      ...said(error, program),
      ...(isHelp ? { lines: [] } : {}),
      exitCode: EXIT.usage,
    });
  }
  return exitCode;
}

/** Commander's message in the form of cairn's own: what is wrong, then what may have been meant. It quotes words as they are. */
function said(
  { message: text, code }: CommanderError,
  program: Command,
): { message: string; lines: readonly string[] } {
  const command = program.commands.find((each) => each.name() === process.argv[2]);
  const told = text.split('\n').map((line) => printable(line.replace(/^error: |^\(|\)$/g, '')));
  const why = code === 'commander.unknownOption' ? whyOnlyLocal(process.argv.slice(3), command) : [];
  const lines = [...told, ...why];
  const advice = [
    'for its options and examples:',
    'cairn help',
    ...(command === undefined ? [] : [command.name()]),
  ];
  return { message: lines.join(' '), lines: [...lines, advice.join(' ')] };
}

void runProcess(runCommand);
