/**
 * Fails, and says so, where nothing is left that could go on while something is still waited for: Node would end without a
 * word, since the bench waits in an imported module.
 */
export function failWhereNothingIsLeft(): void {
  process.once('beforeExit', () => {
    process.stderr.write('bench: nothing is left to wait for, and not all is done\n');
    process.exit(1);
  });
}
