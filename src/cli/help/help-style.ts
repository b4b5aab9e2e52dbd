/** How help is laid out: as wide as the terminal, in the form that is still readable on a narrow one. */
import type { Command, Help, Option } from 'commander';
import { hasColors, columnsOf } from '../screen/terminal.ts';
import { fill } from './notes.ts';

/** Longer lines are hard to read. */
const MOST_COLUMNS = 110;
const LEAST_COLUMNS = 32;
/** With less room than that a description has lines of its own. */
const LEAST_BESIDE = 34;
const BOLD = '\u001B[1m';
const PLAIN = '\u001B[22m';

/** Lets a command and its subcommands print their help so. */
export function styleHelp(command: Command): Command {
  const widthOf = (stream: NodeJS.WriteStream): number =>
    Math.max(LEAST_COLUMNS, Math.min(MOST_COLUMNS, columnsOf(stream, process.env)));
  return command
    .configureOutput({
      getOutHelpWidth: () => widthOf(process.stdout),
      getErrHelpWidth: () => widthOf(process.stderr),
      getOutHasColors: () => hasColors(process.stdout, process.env),
      getErrHasColors: () => hasColors(process.stderr, process.env),
    })
    .configureHelp({
      minWidthToWrap: LEAST_COLUMNS,
      styleTitle: (text) => `${BOLD}${text}${PLAIN}`,
      // What can be chosen and left out is in the words of each description.
      optionDescription: (option: Option) => option.description,
      formatItem,
    });
}

function formatItem(this: Help, term: string, termWidth: number, description: string, helper: Help): string {
  const width = helper.helpWidth ?? MOST_COLUMNS;
  if (description === '') return `  ${term}`;
  const beside = width - termWidth - 4;
  if (beside < LEAST_BESIDE) return [`  ${term}`, ...fill(description, width, '      ')].join('\n');
  const padding = ' '.repeat(Math.max(0, termWidth - helper.displayWidth(term)));
  const [first = '', ...rest] = fill(description, beside);
  return [`  ${term}${padding}  ${first}`, ...rest.map((line) => `${' '.repeat(termWidth + 4)}${line}`)].join(
    '\n',
  );
}
