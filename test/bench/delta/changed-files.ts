/** Files and what became of them: large ones of noise, and databases. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  createReadStream,
  createWriteStream,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createRandom } from '../../support/random.ts';
import { dataFile, KIB, MIB, noise } from '../data.ts';
import type { Place } from '../place.ts';

/** An old file and a new one. */
export interface Change {
  readonly older: string;
  readonly newer: string;
}

const PAGE = 4 * KIB;
const ROWS = 900_000;

/** A file with 10 MiB more at its end. */
export function appended(place: Place, bytes: number): Change {
  const older = dataFile(place, bytes);
  const newer = newPath(place, 'appended');
  copyFileSync(older, newer);
  const fd = openSync(newer, 'a');
  const next = noise('appended');
  for (let turn = 0; turn < 10; turn += 1) writeSync(fd, next(MIB));
  closeSync(fd);
  return { older, newer };
}

/** A file of whose pages of 4 KiB one in a hundred is another. */
export function pagesChanged(place: Place, bytes: number): Change {
  const older = dataFile(place, bytes);
  const newer = newPath(place, 'pages');
  copyFileSync(older, newer);
  const pages = bytes / PAGE;
  const random = createRandom(1);
  const changed = new Set<number>();
  while (changed.size < Math.floor(pages / 100)) changed.add(Math.floor(random() * pages));
  const fd = openSync(newer, 'r+');
  const next = noise('pages');
  for (const page of changed) writeSync(fd, next(PAGE), 0, PAGE, page * PAGE);
  closeSync(fd);
  return { older, newer };
}

/** A file with 1,000,003 bytes more in front: everything moved, by an odd number. */
export async function moved(place: Place, bytes: number): Promise<Change> {
  const older = dataFile(place, bytes);
  const newer = newPath(place, 'moved');
  writeFileSync(newer, noise('in front')(1_000_003));
  await pipeline(createReadStream(older), createWriteStream(newer, { flags: 'a' }));
  return { older, newer };
}

/** A SQLite database with an index, of which one row in 200 was changed, by the program `sqlite3`; and both as SQL. */
export function database(place: Place): { readonly file: Change; readonly dump: Change } {
  const [older, newer] = [newPath(place, 'older.db'), newPath(place, 'newer.db')];
  const random = createRandom(2);
  const words = Array.from({ length: 5000 }, () =>
    random()
      .toString(36)
      .slice(2, 4 + random() * 6),
  );
  const sentence = (count: number): string =>
    Array.from({ length: count }, () => words[Math.floor(random() * words.length)]).join(' ');
  const row = (): string[] => {
    const mail = `${sentence(1)}${Math.floor(random() * 1e6)}@example.org`;
    return [sentence(2), mail, sentence(10 + random() * 30), String(Math.floor(random() * 1e9))];
  };
  const csv = newPath(place, 'rows.csv');
  const fd = openSync(csv, 'w');
  for (let from = 0; from < ROWS; from += 1000) {
    const lines = Array.from({ length: 1000 }, (_, at) => [from + at, ...row()].join(','));
    writeSync(fd, `${lines.join('\n')}\n`);
  }
  closeSync(fd);
  sqlite(older, [
    'create table t(id integer primary key, name text, mail text, note text, at integer);',
    'create index by_mail on t(mail);',
    `.import --csv ${csv} t`,
  ]);
  rmSync(csv);
  copyFileSync(older, newer);
  const updates = Array.from({ length: ROWS / 200 }, () => {
    const [name, mail, note, at] = row();
    const id = Math.floor(random() * ROWS);
    return `update t set name='${name}', mail='${mail}', note='${note}', at=${at} where id=${id};`;
  });
  sqlite(newer, ['begin;', ...updates, 'commit;']);
  const dumps = { older: newPath(place, 'older.sql'), newer: newPath(place, 'newer.sql') };
  sqlite(older, [`.output ${dumps.older}`, '.dump']);
  sqlite(newer, [`.output ${dumps.newer}`, '.dump']);
  return { file: { older, newer }, dump: dumps };
}

function sqlite(file: string, lines: readonly string[]): void {
  const { status, stderr } = spawnSync('sqlite3', ['-bail', file], { input: lines.join('\n') });
  if (status !== 0) throw new Error(`sqlite3: ${String(stderr)}`);
}

function newPath(place: Place, name: string): string {
  const folder = path.join(place.folder, 'changed');
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, name);
  rmSync(file, { force: true });
  return file;
}
