/** The command that goes on with a transfer, for people to copy and for `cairn transfers resume` to run. */
import { basename, resolve } from 'node:path';
import { shellCommand } from '../../base/shell.ts';
import { ownProgram } from './own-program.ts';

/** A local path that means the same from any working directory; a last `/` says "into it" and stays. */
export function absolutePath(path: string): string {
  const absolute = resolve(path);
  return path.endsWith('/') && absolute !== '/' ? `${absolute}/` : absolute;
}

/** How this process was started, as the first words of a command line. */
export function ownCommand(argv: readonly string[] = process.argv): readonly string[] {
  const [program, script] = ownProgram(argv);
  if (basename(script ?? program) === 'cairn') return ['cairn'];
  return script === undefined ? [program] : ['node', script];
}

/** A command line that begins with `cairn`, as the user of this process has to type it. */
export function shownCommand(command: readonly string[], argv: readonly string[] = process.argv): string {
  const [first, ...rest] = command;
  return shellCommand(first === 'cairn' ? [...ownCommand(argv), ...rest] : command);
}
