/** One seed of one case again: `CAIRN_FAULT_SEED=N`, and the command that says so. */
import path from 'node:path';

const REPLAYED = process.env['CAIRN_FAULT_SEED'];

/** The seed that is run again; undefined where many are run. */
export const REPLAYED_SEED = REPLAYED === undefined ? undefined : Number(REPLAYED);

/** Which test a command runs again, and how. */
export interface Replayed {
  readonly file: string;
  /** Its title with those of the suites that it is in, as vitest tells a test. */
  readonly testName: string;
  readonly isFull: boolean;
  readonly seed: number;
}

/** The command for a shell that runs a test with a seed again. */
export function replayCommand({ file, testName, isFull, seed }: Replayed): string {
  const words = [
    ...(isFull ? ['CAIRN_FAULTS=full'] : []),
    `CAIRN_FAULT_SEED=${seed}`,
    'npm run test:faults --',
    quoted(path.relative(process.cwd(), file)),
    `-t ${quoted(titlePattern(testName))}`,
  ];
  return words.join(' ');
}

/** Vitest takes a regular expression for a title, and joins titles with a blank where it tells them with an arrow. */
function titlePattern(testName: string): string {
  const escaped = testName.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
  return `^${escaped.replaceAll(' > ', ' (?:> )?')}$`;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Checks what only all seeds of a case together can show; one alone need not. */
export function checkTotals(check: () => void): void {
  if (REPLAYED_SEED === undefined) check();
}
