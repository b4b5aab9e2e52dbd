/** The words of a command line that give options their values again, by the tables of the options. */
import type { Declared, Table } from './option.ts';

/**
 * The words that give these values again, from any directory; none for what was not given, and for what belongs to one run.
 * A value is its own word, or has the word or words that say it as `word` or `words`.
 *
 * @param values by the names in the table; others are passed over
 */
export function wordsAgain(table: Table, values: object): string[] {
  const given = new Map<string, unknown>(Object.entries(values));
  return Object.entries(table).flatMap(([name, option]) => wordsOf(option, given.get(name)));
}

function wordsOf({ flags, fallback, isOfOneRun = false }: Declared<unknown>, value: unknown): string[] {
  if (isOfOneRun || value === undefined || value === fallback) return [];
  const [long = ''] = /--[^ ,]+/.exec(flags) ?? [];
  if (typeof value === 'boolean') return [long];
  return ownWords(long, value).flatMap((word) => [long, word]);
}

function ownWords(long: string, value: unknown): readonly string[] {
  if (typeof value === 'string' || typeof value === 'number') return [String(value)];
  const { word, words } = value as { readonly word?: unknown; readonly words?: unknown };
  if (typeof word === 'string') return [word];
  if (Array.isArray(words)) return words as readonly string[];
  throw new Error(`${long} does not tell which words give its value again`);
}
