/** Whether what arrived is what was sent. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { MIB } from './data.ts';

const buffer = Buffer.alloc(MIB);
const known = new Map<string, string>();

/** SHA-256 of a file, or of the names and bytes of everything in a folder. */
export function digestOf(place: string): string {
  const hash = createHash('sha256');
  addEntry(hash, place, '');
  return hash.digest('hex');
}

/** The same of a source that does not change, computed once. */
export function digestOfSource(source: string): string {
  const digest = known.get(source) ?? digestOf(source);
  known.set(source, digest);
  return digest;
}

function addEntry(hash: Hash, place: string, name: string): void {
  if (statSync(place).isDirectory()) {
    hash.update(`folder ${name}\n`);
    for (const child of readdirSync(place).toSorted())
      addEntry(hash, path.join(place, child), `${name}/${child}`);
    return;
  }
  hash.update(`file ${name}\n`);
  const fd = openSync(place, 'r');
  for (;;) {
    const bytes = readSync(fd, buffer, 0, buffer.length, null);
    if (bytes === 0) break;
    hash.update(bytes === buffer.length ? buffer : buffer.subarray(0, bytes));
  }
  closeSync(fd);
}

/** @throws Error where `result` is not what `source` is */
export function checkSame(who: string, source: string, result: string): void {
  if (digestOf(result) !== digestOfSource(source))
    throw new Error(`${who}: what arrived is not what was sent`);
}
