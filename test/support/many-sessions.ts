/** The state of a server with as many unfinished sessions as one likes: copies of a real one. */
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { formatRecord, parseRecord } from '../../src/session/record-schema.ts';
import type { SessionRecord } from '../../src/session/record.ts';

/** A session to copy: its record's file and its staging folder. */
export interface SessionFiles {
  readonly record: string;
  readonly staging: string;
}

/**
 * A temporary directory in memory, where the machine has that: ten thousand folders say something of the server and
 * nothing of the disk. It goes with the test.
 */
export function memoryDirectory(): string {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const directory = mkdtempSync(path.join(parent, 'cairn-many-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** The id of a copy. */
function copyId(number: number): string {
  return `copy-${String(number).padStart(17, '0')}`;
}

/**
 * Copies a session `count` times into the state of a server with this `root`; each copy has an id and a target of its
 * own. Staged data, which nobody changes in place, is shared by hard links.
 *
 * @param changes to each copy's record
 */
export function copySession(
  { record, staging }: SessionFiles,
  root: string,
  count: number,
  changes: Partial<SessionRecord> = {},
): void {
  const original = parseRecord(readFileSync(record, 'utf8'), record)!;
  const names = readdirSync(staging);
  const records = path.join(root, '.cairn/sessions');
  mkdirSync(records, { recursive: true, mode: 0o700 });
  mkdirSync(path.join(root, '.cairn/staging'), { recursive: true, mode: 0o700 });
  const folderOf = (number: number): string => path.join(root, '.cairn/staging', copyId(number));
  for (let number = 0; number < count; number += 1) {
    const id = copyId(number);
    mkdirSync(folderOf(number), { mode: 0o700 });
    for (const name of names) {
      // The first copy may be on another file system than the original.
      const isShared = number > 0 && /^[ce]\d+$/.test(name);
      const from = path.join(isShared ? folderOf(0) : staging, name);
      (isShared ? linkSync : copyFileSync)(from, path.join(folderOf(number), name));
    }
    const copied: SessionRecord = { ...original, id, target: `copies/${number}`, ...changes };
    writeFileSync(path.join(records, `${id}.json`), formatRecord(copied), { mode: 0o600 });
  }
}
