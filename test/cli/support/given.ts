import { readValues } from '../../../src/cli/options/option.ts';
import { createProgram } from '../../../src/cli/program.ts';

/**
 * The values that a command is given for options, by their names, as they were written.
 *
 * @param path the command and its subcommand: `token create`
 * @throws CairnError `usage`
 */
export async function given<Values>(
  path: string,
  options: Readonly<Record<string, string | boolean | readonly string[]>> = {},
): Promise<Values> {
  let command = createProgram(() => undefined);
  for (const name of path.split(' ')) command = command.commands.find((each) => each.name() === name)!;
  for (const [name, written] of Object.entries(options))
    command.setOptionValueWithSource(name, written, 'cli');
  await readValues(command);
  return command.opts();
}
