/** A tree that is transferred while its files change, and what may be at the target afterwards. */
import { lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { CliResult } from '../../support/cli.ts';
import { pictureOf, writeRandomFile } from '../../support/trees.ts';
import { Violation } from '../support/violation.ts';

const KIB = 1024;

/** Large files, of several chunks of 256 KiB, and small ones that share chunks; each in a directory of some. */
const SIZES: Readonly<Record<string, number>> = {
  'a/large': 1200 * KIB,
  'a/small-1': 9000,
  'b/small-2': 11_000,
  'b/small-3': 10_000,
  'c/large': 1500 * KIB + 7,
  'c/small-4': 12_000,
  'd/exact': 512 * KIB,
  'e/small-5': 10_000,
  'f/large': 900 * KIB,
};

/** Files of the tree. */
export const FILES = Object.keys(SIZES);
/** Bytes of the tree. */
export const TREE_BYTES = Object.values(SIZES).reduce((sum, size) => sum + size, 0);

/** Writes the tree. */
export function writeTree(root: string): void {
  for (const [name, size] of Object.entries(SIZES)) writeRandomFile(path.join(root, name), size);
}

/** Contents of all files below a root, by path; symlinks are not followed. */
export function contentsOf(root: string): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (name === '.cairn' || name.startsWith('.cairn/')) continue;
    const file = path.join(root, name);
    if (lstatSync(file).isFile()) found.set(name, readFileSync(file));
  }
  return found;
}

/** Contents that each path ever had, whole. */
export type Versions = Map<string, Buffer[]>;

/** Every file at the target is one of the versions that its source had, whole. */
export function checkNoMixture(target: string, versions: Versions): void {
  for (const [name, bytes] of contentsOf(target)) {
    if (versions.get(name)?.some((version) => version.equals(bytes)) === true) continue;
    throw new Violation(
      'mixture',
      `"${name}" (${bytes.length} bytes) is no version that its source ever had`,
    );
  }
}

/** Every one of these files is there, or was named; only exit 3 names any. */
export function checkRestDone(result: CliResult, target: string, wanted: Iterable<string>): void {
  const named = namedBy(result);
  const there = contentsOf(target);
  for (const name of wanted) {
    if (there.has(name) || named.some((one) => one === name || name.startsWith(`${one}/`))) continue;
    throw new Violation('false-success', `"${name}" is neither there nor named: exit ${result.exitCode}`);
  }
  if (result.exitCode === 0 && named.length > 0)
    throw new Violation('false-success', `exit 0, and named: ${named.join(', ')}`);
}

/** Paths in the warnings of a run. */
export function namedBy({ lines }: CliResult): string[] {
  return lines.filter((line) => line['type'] === 'warning').map((line) => String(line['path']));
}

/** The target is as the source is now; what is at the target alone stays. */
export function checkAsSource(source: string, target: string, without: readonly string[]): void {
  // A FIFO has nobody who writes into it: whoever read it would wait for ever.
  for (const name of without) rmSync(path.join(source, name));
  const [wanted, found] = [pictureOf(source), pictureOf(target)];
  for (const [name, line] of Object.entries(wanted)) {
    // Removing them changed the directories that they were in.
    if (name === '' || without.some((left) => path.dirname(left) === name)) continue;
    if (found[name] !== line)
      throw new Violation('false-success', `"${name}" is ${found[name] ?? 'missing'}, not ${line}`);
  }
}
