/** The files with rules in a source: whether they are as they were when a scan read them, found out without a scan. */
import { createHash } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import { IGNORE_FILE } from '../../manifest/selection.ts';
import type { ReadableLocalStore } from '../../storage/disk/local-disk.ts';

/** A longer file is no list of rules that a person keeps, and is not read. */
export const MAX_RULE_FILE_BYTES = 1024 * 1024;
/** So many are looked at again by a run that resumes; it must not wait long for that. */
const MOST_KEPT = 1000;

/** Files with rules that count for a transfer. */
export interface RuleFiles {
  /** Paths of the manifest; that of the top of each source is among them, also where none is there. */
  readonly paths: readonly string[];
  /** Of the content of them all. */
  readonly digest: string;
}

/** The files that a scan has read, by their paths; `tops` are the paths of the directories that it began with. */
export function ruleFilesOf(read: ReadonlyMap<string, string>, tops: readonly string[]): RuleFiles {
  const own = tops.map((path) => (path === '' ? IGNORE_FILE : `${path}/${IGNORE_FILE}`));
  const paths = [...new Set([...own, ...read.keys()])].slice(0, MOST_KEPT);
  return { paths, digest: digestOf(paths.map((path) => [path, read.get(path) ?? null])) };
}

/**
 * Whether one of these files has changed, has gone or cannot be read any more, or one has come at the top of a source.
 *
 * @throws CairnError, storage codes that concern more than one file
 */
export async function haveRulesChanged(
  { paths, digest }: RuleFiles,
  locate: (path: string) => {
    readonly store: Pick<ReadableLocalStore, 'lookup' | 'read'>;
    readonly path: string;
  },
): Promise<boolean> {
  const found: (readonly [string, string | null])[] = [];
  // oxlint-disable-next-line no-await-in-loop -- few, and in order
  for (const path of paths) found.push([path, await textAt(locate(path))]);
  return digestOf(found) !== digest;
}

async function textAt({
  store,
  path,
}: ReturnType<Parameters<typeof haveRulesChanged>[1]>): Promise<string | null> {
  try {
    const [found] = await store.lookup([path]);
    const { type, sizeBytes = 0 } = found?.entry ?? {};
    if (type !== 'file' || sizeBytes > MAX_RULE_FILE_BYTES) return null;
    const pieces: Uint8Array[] = [];
    for await (const piece of store.read(path, { from: 0, to: sizeBytes })) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces).toString();
  } catch (error) {
    // A scan names what cannot be read; here it is as if it were not there, as it was for the scan.
    if (error instanceof CairnError) return null;
    throw error;
  }
}

function digestOf(files: readonly (readonly [path: string, text: string | null])[]): string {
  return createHash('sha256').update(JSON.stringify(files)).digest('hex');
}
