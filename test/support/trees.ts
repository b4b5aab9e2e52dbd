/** Real files for tests: trees with everything that is awkward, and pictures of trees to compare. */
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';

/** A temporary directory that goes with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'cairn-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Incompressible bytes. */
export function writeRandomFile(file: string, sizeBytes: number): void {
  const PIECE_BYTES = 4 * 1024 * 1024;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '');
  for (let left = sizeBytes; left > 0; left -= PIECE_BYTES) {
    writeFileSync(file, randomBytes(Math.min(left, PIECE_BYTES)), { flag: 'a' });
  }
}

/** A tree with names, sizes, modes and types that have broken other tools. */
export function writeAwkwardTree(root: string, chunkSizeBytes = 64 * 1024): void {
  const write = (name: string, content: string | Buffer, mode = 0o644): void => {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
  };
  write('plain.txt', 'plain\n');
  write('empty', '');
  write('-rf', 'a leading dash');
  write('with space/and\nnewline', 'odd');
  write('ünïcödé/日本語 🗻.txt', 'unicode');
  write('back\\slash', 'one name');
  write('%2e%2e/%41', 'percent');
  write('n'.repeat(255), 'longest name');
  write('script.sh', '#!/bin/sh\n', 0o755);
  write('private', 'secret', 0o600);
  write('exact', randomBytes(chunkSizeBytes));
  write('exact-twice', randomBytes(2 * chunkSizeBytes));
  write('one-less', randomBytes(chunkSizeBytes - 1));
  write('one-more', randomBytes(chunkSizeBytes + 1));
  write('large', randomBytes(5 * chunkSizeBytes + 12_345));
  for (let i = 0; i < 60; i++) write(`many/${i % 7}/${i}.bin`, randomBytes(i * 131));
  mkdirSync(path.join(root, 'empty-directory/deeper'), { recursive: true });
  symlinkSync('plain.txt', path.join(root, 'link'));
  symlinkSync('/nowhere/at all', path.join(root, 'dangling'));
  symlinkSync('..', path.join(root, 'many/up'));
  write('read-only/file', 'in a read-only directory', 0o444);
  chmodSync(path.join(root, 'read-only'), 0o555);
  utimesSync(path.join(root, 'plain.txt'), 1, 1_600_000_000.123456);
  utimesSync(path.join(root, 'empty'), 1, 1);
}

/** What a tree holds: a line an entry with type, mode, mtime in nanoseconds, and digest or link target. */
export function pictureOf(root: string): Record<string, string> {
  const picture: Record<string, string> = {};
  const visit = (relative: string): void => {
    const full = path.join(root, relative);
    const stat = lstatSync(full, { bigint: true });
    const mode = (Number(stat.mode) & 0o7777).toString(8);
    if (stat.isSymbolicLink()) picture[relative] = `link ${stat.mtimeNs} → ${readlinkSync(full)}`;
    else if (stat.isDirectory()) {
      picture[relative] = `directory ${mode} ${stat.mtimeNs}`;
      for (const name of readdirSync(full).toSorted())
        if (name !== '.cairn') visit(path.join(relative, name));
    } else picture[relative] = `file ${mode} ${stat.mtimeNs} ${stat.size} ${digestOf(full)}`;
  };
  visit('');
  return picture;
}

/** SHA-256 of a file. */
export function digestOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
