/** Entries that the receiver could not put in their place: named, one warning for each, or for all below a directory. */
import { isErrorCode, type CairnError, type ErrorCode } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { CommitReply } from '../../wire/messages.ts';
import type { Report } from '../api/events.ts';

/** One entry that was left out. */
export interface LeftOutEntry {
  readonly code: ErrorCode;
  /** Why, for people. */
  readonly reason: string;
}

/** What was left out of one pass, by index. */
export type LeftOutEntries = ReadonlyMap<number, LeftOutEntry>;

const REASONS: Partial<Record<ErrorCode, string>> = {
  'storage-denied': 'permission denied, or it is in use there',
  'storage-read-only': 'the file system is read-only there',
  'storage-unsupported':
    'the file system there does not accept it, or something other than a file is in its place',
  'path-too-long': 'its name is too long for the file system there',
  'is-directory':
    'a directory that is not empty is in its place; --force-replace replaces it and everything in it',
  'not-directory': 'something other than a directory is in the way',
  'destination-exists': 'something is already there or in the way, and this access token may not replace it',
  'symlink-refused':
    'a symbolic link is in the way, and is not followed; --force-replace puts a directory in its place',
};

/** It is there, and so are the entries below it. */
const NEAREST_TIME = 'the file system cannot keep its modification time; it has the nearest possible one';

/**
 * What the server says it has left out of a push.
 *
 * @throws CairnError `invalid-request` where it names entries that there are not
 */
export function leftOutBy({ unpublished = [] }: CommitReply, { entries }: Manifest): LeftOutEntries {
  const leftOut = new Map<number, LeftOutEntry>();
  for (const { code: word, entries: runs } of unpublished) {
    const code = isErrorCode(word) ? word : 'storage-io';
    const reason = REASONS[code] ?? 'the server could not put it there';
    for (const index of ChunkSet.fromRuns(runs, entries.length).values())
      leftOut.set(index, { code, reason });
  }
  return leftOut;
}

/** Entries that would be left out, by the codes of what is in their way. */
export function leftOutAs(codes: ReadonlyMap<number, ErrorCode>): LeftOutEntries {
  return new Map(
    Array.from(codes, ([index, code]) => [
      index,
      { code, reason: REASONS[code] ?? 'something in its place is in the way' },
    ]),
  );
}

/** Where a pull collects what this machine refuses. */
export function leftOutHere(into: Map<number, LeftOutEntry>): (index: number, error: CairnError) => void {
  return (index, error) => void into.set(index, { code: error.code, reason: error.message });
}

/**
 * Warns of what was left out, a directory together with all that is below it. Answers the paths.
 *
 * @param options.isPresent whether the receiver had an entry before: then only its mode and time are missing
 * @param options.unlisted how many entries there are beside those that are named
 * @param options.isTold whether it is only told what would be
 */
export function reportLeftOut(
  leftOut: LeftOutEntries,
  { entries }: Manifest,
  {
    isPresent,
    report,
    unlisted = 0,
    isTold = false,
  }: {
    readonly isPresent: (index: number) => boolean;
    readonly report: Report;
    readonly unlisted?: number | undefined;
    readonly isTold?: boolean;
  },
): Set<string> {
  const paths = new Set<string>();
  let above = '';
  for (const index of [...leftOut.keys()].toSorted((a, b) => a - b)) {
    const path = entries.pathOf(index);
    paths.add(path);
    if (above !== '' && path.startsWith(above)) continue;
    const { code, reason } = leftOut.get(index)!;
    if (code === 'time-out-of-range') {
      report({ type: 'warning', code, path: printable(path || '.'), message: NEAREST_TIME });
      continue;
    }
    const isTree = entries.typeOf(index) === 'directory' && leftOut.has(index + 1);
    above = isTree ? `${path}/` : '';
    const missing = isTold ? 'it would not be put in its place' : 'it was not put in its place';
    const what = isPresent(index) ? 'its mode and time could not be set' : missing;
    const all = isTree ? ', with everything in it' : '';
    report({ type: 'warning', code, path: printable(path || '.'), message: `${what}${all}: ${reason}` });
  }
  if (unlisted > 0) {
    const message = `${unlisted} more entries could not be put in their place`;
    report({ type: 'warning', code: 'partial', path: '.', message });
  }
  return paths;
}
