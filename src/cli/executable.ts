/** The entry of the single executable, for bin/cairn.js and the bundles of the package. */

// Node would open its debugger to every user of this machine.
process.on('SIGUSR1', () => undefined);

const isVersion = ['--version', '-V'].includes(process.argv[2] ?? '');
void (isVersion ? import('./print-version.ts') : import('./main.ts'));
