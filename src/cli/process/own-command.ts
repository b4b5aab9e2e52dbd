/** What a process of this cairn is started with, and the commands that a user is shown and that `cairn transfers resume` runs. */
import { basename, resolve } from 'node:path';
import { shellCommand } from '../../base/shell.ts';

/** Set where the single executable is bundled, see esbuild.executable.js. */
declare const __CAIRN_EXECUTABLE__: boolean | undefined;

const IS_EXECUTABLE = typeof __CAIRN_EXECUTABLE__ === 'boolean';

/** The program, and the script that is its first argument where it is not one executable. */
export function ownProgram(
  argv: readonly string[] = process.argv,
): readonly [program: string, ...script: string[]] {
  const [, script] = argv;
  return IS_EXECUTABLE || script === undefined ? [process.execPath] : [process.execPath, script];
}

/** A local path that means the same from any working directory; a last `/` says "into it" and stays. */
export function absolutePath(path: string): string {
  const absolute = resolve(path);
  return path.endsWith('/') && absolute !== '/' ? `${absolute}/` : absolute;
}

/** How this process was started, as the first words of a command line. */
function ownCommand(argv: readonly string[] = process.argv): readonly string[] {
  const [program, script] = ownProgram(argv);
  if (basename(script ?? program) === 'cairn') return ['cairn'];
  return script === undefined ? [program] : ['node', script];
}

/** A command line that begins with `cairn`, as the user of this process has to type it. */
export function shownCommand(command: readonly string[], argv: readonly string[] = process.argv): string {
  const [first, ...rest] = command;
  return shellCommand(first === 'cairn' ? [...ownCommand(argv), ...rest] : command);
}
