/** What is moved: files whose bytes do not compress, made once, the same in every bench. */
import { createCipheriv } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { Place } from './place.ts';

/** A tree of small files. */
export interface TreeShape {
  readonly files: number;
  readonly bytesEach: number;
}

/** Bytes of a kibibyte, a mebibyte and a gibibyte. */
export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

const FILES_PER_FOLDER = 100;

/** A stream of bytes that looks random and depends on nothing but its name; at most 1 MiB a call. */
export function noise(name: string): (bytes: number) => Buffer {
  const key = Buffer.alloc(16, name);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(MIB);
  return (bytes) => cipher.update(bytes === MIB ? zeros : zeros.subarray(0, bytes));
}

/** A file of so many bytes; made when it is first asked for. */
export function dataFile(place: Place, bytes: number): string {
  const file = path.join(place.folder, 'data', `file-${bytes}`);
  if (existsSync(file)) return file;
  mkdirSync(path.dirname(file), { recursive: true });
  const next = noise(`file-${bytes}`);
  const fd = openSync(file, 'wx', 0o644);
  for (let left = bytes; left > 0; left -= MIB) writeSync(fd, next(Math.min(left, MIB)));
  closeSync(fd);
  return file;
}

/** A folder with so many files, a hundred in each of its folders; made when it is first asked for. */
export function dataTree(place: Place, { files, bytesEach }: TreeShape): string {
  const tree = path.join(place.folder, 'data', `tree-${files}-${bytesEach}`);
  if (existsSync(tree)) return tree;
  const next = noise(`tree-${files}`);
  for (let number = 0; number < files; number += 1) {
    const folder = path.join(tree, String(Math.floor(number / FILES_PER_FOLDER)).padStart(5, '0'));
    if (number % FILES_PER_FOLDER === 0) mkdirSync(folder, { recursive: true });
    const fd = openSync(path.join(folder, `file-${number}`), 'wx', 0o644);
    writeSync(fd, next(bytesEach));
    closeSync(fd);
  }
  return tree;
}
