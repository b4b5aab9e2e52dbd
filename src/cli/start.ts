/** The start of every process: it chooses the bundle that has the command, and runs it. */
import { join } from 'node:path';
import { loadCompiled } from './process/compiled-code.ts';

// Node would open its debugger to every user of this machine.
process.on('SIGUSR1', () => undefined);

/** Parts of the program that start sooner alone; every other command is in `main`. */
const BUNDLES = new Map([
  ['push', 'transfer'],
  ['pull', 'transfer'],
  ['--version', 'version'],
  ['-V', 'version'],
]);

const [, , word = ''] = process.argv;
const bundle = BUNDLES.get(word) ?? 'main';
const file = join(__dirname, `${bundle}.cjs`);
// So little code is compiled sooner than its compiled form is read.
if (bundle === 'version') require(file);
else loadCompiled(file, word);
