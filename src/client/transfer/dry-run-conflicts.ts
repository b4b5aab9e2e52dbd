/** Which entries a run could not put in their place, because of what is there: found before it is tried. */
import { ancestorsOf } from '../../base/safe-path.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { Entry, EntryType } from '../../manifest/entry.ts';
import type { EntryList } from '../../manifest/entry-table.ts';

/** An entry in a directory. */
export type Below = Pick<Entry, 'path' | 'type' | 'sizeBytes'>;

/** What is at the destination now, by paths of the manifest. */
export interface ThereNow {
  /** Whether this side may know it at all. */
  readonly isKnown: boolean;
  /** The type of what is at a path; undefined where nothing is. */
  readonly typeOf: (path: string) => EntryType | undefined;
  /** Whether something is at a path that can be neither compared nor replaced, as a FIFO. */
  readonly isUnsupported: (path: string) => boolean;
  /** All that is in a directory, also further below, and whether there is more that has no name here. */
  readonly below: (
    path: string,
  ) => Promise<{ readonly entries: readonly Below[]; readonly hasMore: boolean }>;
  /** Whether the link at a path leads to a directory; undefined where that cannot be told from here. */
  readonly leadsToDirectory: (path: string) => Promise<boolean | undefined>;
}

/** What a run does with what is in the way. */
export interface ReplacingWishes {
  readonly forceReplace: boolean;
  /** Paths of what is deleted before another entry takes the place of a directory; undefined where nothing is. */
  readonly deleted: ReadonlySet<string> | undefined;
  /** Whether the access token may not replace what is there. */
  readonly keepsExisting: boolean;
}

/** What comes of entries of another type that are in the way. */
export interface Conflicts {
  /** The entries of the manifest that would be left out, by index. */
  readonly leftOut: ReadonlyMap<number, ErrorCode>;
  /** The entries, by index, that may or may not be left out: this side cannot know. */
  readonly unknown: ReadonlySet<number>;
  /** What would go together with the directory that it is in. */
  readonly gone: readonly Below[];
}

/**
 * Finds them.
 *
 * @param isPresent whether the destination has an entry already, and nothing is to be put in its place
 */
export async function conflictsThere(
  entries: EntryList,
  isPresent: (index: number) => boolean,
  there: ThereNow,
  wishes: ReplacingWishes,
): Promise<Conflicts> {
  const leftOut = new Map<number, ErrorCode>();
  const unknown = new Set<number>();
  const refused = new Map<string, ErrorCode>();
  const unsure = new Set<string>();
  const gone: Below[] = [];
  for (let index = 0; there.isKnown && index < entries.length; index += 1) {
    const path = entries.pathOf(index);
    const above = ancestorsOf(path);
    const codeAbove = above.map((each) => refused.get(each)).find((code) => code !== undefined);
    if (codeAbove !== undefined) {
      leftOut.set(index, codeAbove);
      continue;
    }
    if (isPresent(index)) continue;
    const isDirectory = entries.typeOf(index) === 'directory';
    // oxlint-disable-next-line no-await-in-loop -- it looks at the few that have another type, one after the other
    const found = await refusalOf(path, isDirectory, there, wishes, gone);
    if (found === 'unknown' || above.some((each) => unsure.has(each))) {
      unknown.add(index);
      if (isDirectory) unsure.add(path);
    } else if (found !== undefined) {
      leftOut.set(index, found);
      if (isDirectory) refused.set(path, found);
    }
  }
  return { leftOut, unknown, gone };
}

async function refusalOf(
  path: string,
  isDirectory: boolean,
  there: ThereNow,
  { forceReplace, deleted, keepsExisting }: ReplacingWishes,
  gone: Below[],
): Promise<ErrorCode | 'unknown' | undefined> {
  if (there.isUnsupported(path)) return 'storage-unsupported';
  const type = there.typeOf(path);
  if (type === undefined) return undefined;
  if (keepsExisting) return 'destination-exists';
  if (isDirectory) {
    // A mirror takes the link away, and leaves what it leads to.
    if (type !== 'symlink' || forceReplace || deleted !== undefined) return undefined;
    const leads = await there.leadsToDirectory(path);
    return leads === undefined ? 'unknown' : leads ? 'symlink-refused' : undefined;
  }
  if (type !== 'directory') return undefined;
  const { entries, hasMore } = await there.below(path);
  const left = entries.filter((entry) => deleted?.has(entry.path) !== true);
  if (!forceReplace) return hasMore || left.length > 0 ? 'is-directory' : undefined;
  // Not with `...`: a tree may have more entries than a call can have arguments.
  for (const entry of left) gone.push(entry);
  return undefined;
}
