/** What a process of this cairn is started with: Node and a script, or the single executable, which is both in one. */

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
