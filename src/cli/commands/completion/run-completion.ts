/** `cairn completion`, and `cairn complete`, which the scripts of the former ask. */
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { offerFor, type Candidate } from './candidates.ts';
import { FILES_MARK, SCRIPTS, SHELLS } from './scripts.ts';
import { print } from '../../process/output.ts';
import { ownStateHomeOf } from '../../access/user-directories.ts';
import { parseChoice } from '../../options/count.ts';

/** Prints the script for a shell. */
export async function runCompletion(shell: string): Promise<ExitCode> {
  print(SCRIPTS[parseChoice('completion', shell, SHELLS)]);
  return EXIT.done;
}

/** Prints what may stand in the place of the last word, a line each: the word, a tab, and what it is. */
export function completeIn(program: Command): (words: readonly string[]) => Promise<ExitCode> {
  return async (words) => {
    const { candidates, files } = await offerFor(program, words, { transferIds });
    const lines = candidates.map(
      ({ word, description }) => `${printable(word)}\t${printable(description)}\n`,
    );
    print([...lines, ...(files ? [`${FILES_MARK}\n`] : [])].join(''));
    return EXIT.done;
  };
}

async function transferIds(): Promise<Candidate[]> {
  const { listTransfers } = await import('../../../client/transfers.ts');
  const transfers = await listTransfers(ownStateHomeOf(process.env));
  return transfers.map(({ id, direction, url }) => ({ word: id, description: `${direction} ${url}` }));
}
