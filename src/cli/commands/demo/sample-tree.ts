/** Files to try cairn on: a large one that nothing can compress, and a tree of small ones with odd names. */
import { randomBytes, randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, openSync, symlinkSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

const LARGE_FILE_BYTES = 200_000_000;
const PIECE_BYTES = 4 * 1024 * 1024;
const FOLDERS = 40;
const FILES_PER_FOLDER = 50;
const MOST_SMALL_BYTES = 12_000;

/** Names that trip up tools which were tried on ordinary names only. */
const ODD_NAMES = [
  'with blanks',
  'line\nbreak',
  '-rf',
  '--help',
  "quote\"s and 'quotes'",
  'back\\slash',
  '.hidden',
  '日本語',
  'cafe\u0301',
  '🪨🪨🪨',
  '%2e%2e%2f',
  'x'.repeat(255),
] as const;

/** Makes the sample at `path`, which must not be there yet. */
export async function makeSampleTree(path: string, signal: AbortSignal): Promise<void> {
  mkdirSync(path);
  await makeLargeFile(join(path, 'large.bin'), signal);
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    makeFolder(join(path, 'small', `folder ${folder}`), folder);
    // oxlint-disable-next-line no-await-in-loop -- lets signals in
    await turn();
    signal.throwIfAborted();
  }
  makeOddities(join(path, 'odd'));
}

async function makeLargeFile(path: string, signal: AbortSignal): Promise<void> {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const file = openSync(path, 'wx');
  try {
    for (let left = LARGE_FILE_BYTES; left > 0; left -= PIECE_BYTES) {
      randomFillSync(piece);
      writeSync(file, piece, 0, Math.min(left, PIECE_BYTES));
      // oxlint-disable-next-line no-await-in-loop -- lets signals in
      await turn();
      signal.throwIfAborted();
    }
  } finally {
    closeSync(file);
  }
}

function makeFolder(path: string, seed: number): void {
  mkdirSync(join(path, 'a', 'b'), { recursive: true });
  for (let file = 0; file < FILES_PER_FOLDER; file += 1) {
    const place = file % 3 === 0 ? join(path, 'a', 'b') : path;
    // Every size up to the largest, and some that are empty.
    const size = (file * 7919 + seed * 104_729) % MOST_SMALL_BYTES;
    const mode = file % 5 === 0 ? 0o755 : file % 7 === 0 ? 0o600 : 0o644;
    writeFileSync(join(place, `file-${file}.dat`), randomBytes(file % 11 === 0 ? 0 : size), { mode });
  }
}

function makeOddities(path: string): void {
  mkdirSync(join(path, 'empty', 'empty below'), { recursive: true });
  for (const name of ODD_NAMES) writeFileSync(join(path, name), `the file is called ${name}\n`);
  symlinkSync('../small', join(path, 'link to a directory'));
  symlinkSync('with blanks', join(path, 'link to a file'));
  symlinkSync('/nowhere/at/all', join(path, 'link to nothing'));
  const deep = join(path, ...Array.from({ length: 30 }, (_value, level) => `level ${level}`));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'bottom'), 'deep down\n');
  mkdirSync(join(path, 'private'), { mode: 0o700 });
  const old = join(path, 'private', 'from 1985');
  writeFileSync(old, 'old\n', { mode: 0o400 });
  utimesSync(old, 500_000_000.25, 500_000_000.25);
  // Exactly one of the default chunks: an edge where off-by-one mistakes live.
  writeFileSync(join(path, 'eight MiB'), randomBytes(8 * 1024 * 1024));
}
