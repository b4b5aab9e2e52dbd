/** Reports published entries that got another time, because their file system's range of times is too small. */
import { fstatSync } from 'node:fs';
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry } from '../../../manifest/entry.ts';
import { isFarTime } from '../../../manifest/entry-time.ts';
import { splitPath } from '../tree/lookup.ts';
import { type Publication, targetOf } from './publication.ts';

/** Coarser than the timestamps of any file system. */
const TOLERANCE_NS = 3_000_000_000n;

/** Looks at a published entry, and reports its time where the file system seems unable to keep it. */
export function checkKeptTime(publication: Publication, entryIndex: number, entry: Entry): void {
  if (!isFarTime(entry.mtimeNs)) return;
  const thereNs = mtimeAt(publication, entry, targetOf(publication, entry));
  if (thereNs !== undefined) noteOtherTime(publication, entryIndex, entry, thereNs);
}

/** Reports an entry that has got another time. */
export function noteOtherTime(
  publication: Publication,
  entryIndex: number,
  entry: Entry,
  thereNs: bigint,
): void {
  const offNs = thereNs - entry.mtimeNs;
  if (offNs < TOLERANCE_NS && offNs > -TOLERANCE_NS) return;
  const path = targetOf(publication, entry);
  const message = `the file system cannot keep the modification time of "${printable(path)}"`;
  publication.refused.note(entryIndex, new CairnError('time-out-of-range', message, { details: { path } }));
}

function mtimeAt({ cursor, native }: Publication, entry: Entry, path: string): bigint | undefined {
  if (entry.type === 'directory') return fstatSync(cursor.enter(path).fd, { bigint: true }).mtimeNs;
  const { parent, name } = splitPath(path);
  return cursor.enter(parent).look(name, native?.statAt)?.mtimeNs;
}
