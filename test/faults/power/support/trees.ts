/** Trees for power cuts: a large file, small ones, empty ones, odd times; and an older version at the target. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeRandomFile } from '../../../support/trees.ts';

const MIB = 1024 * 1024;
/** Size of {@link writeTree}'s large file. */
export const LARGE_BYTES = 6 * MIB;
const SMALL_FILES = 60;

/** A tree of one large file and small ones, about 6.5 MiB. */
export function writeTree(root: string, largeBytes = LARGE_BYTES): void {
  writeRandomFile(path.join(root, 'large'), largeBytes);
  writeSmallFiles(path.join(root, 'small'), SMALL_FILES, (number) => 200 + number * 250);
  writeFileSync(path.join(root, 'empty'), '');
  mkdirSync(path.join(root, 'empty directory'));
  utimesSync(path.join(root, 'large'), 1, 1_600_000_000.123456);
}

/** An older version of the same tree: some files shorter, some as long, some missing. */
export function writeOlderTree(root: string): void {
  writeRandomFile(path.join(root, 'large'), MIB);
  writeSmallFiles(path.join(root, 'small'), SMALL_FILES / 2, (number) => 200 + number * 125);
  writeFileSync(path.join(root, 'empty'), 'not yet');
}

/** So many files in some directories, with random bytes. */
export function writeSmallFiles(root: string, count: number, sizeOf: (number: number) => number): void {
  for (let number = 0; number < count; number += 1) {
    const directory = path.join(root, String(number % 7));
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, `${number}.bin`), randomBytes(sizeOf(number)));
  }
}
