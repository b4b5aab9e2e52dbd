/** Names what was published with another time than its own, since its file system ends sooner, or begins later. */
import { fstatSync } from 'node:fs';
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { isFarTime } from '../../../manifest/entry-time.ts';
import { splitPath } from '../tree/lookup.ts';
import { type Publication, targetOf } from './publication.ts';

/** Coarser than any file system counts. */
const TOLERANCE_NS = 3_000_000_000n;

/** Looks at an entry that is in its place, and tells of its time, where that is so far away that it may not be kept. */
export function checkKeptTime(publication: Publication, entryIndex: number, entry: Entry): void {
  if (!isFarTime(entry.mtimeNs)) return;
  const path = targetOf(publication, entry);
  const there = mtimeAt(publication, entry, path);
  if (there === undefined) return;
  const offNs = there - entry.mtimeNs;
  if (offNs < TOLERANCE_NS && offNs > -TOLERANCE_NS) return;
  const message = `the file system cannot keep the modification time of "${printable(path)}"`;
  publication.refused.note(entryIndex, new CairnError('time-out-of-range', message, { details: { path } }));
}

function mtimeAt({ cursor, native }: Publication, entry: Entry, path: string): bigint | undefined {
  if (entry.type === 'directory') return fstatSync(cursor.enter(path).fd, { bigint: true }).mtimeNs;
  const { parent, name } = splitPath(path);
  return cursor.enter(parent).look(name, native?.statAt)?.mtimeNs;
}
