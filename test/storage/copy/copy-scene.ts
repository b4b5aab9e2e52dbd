/** Trees on a disk and among objects, and copies between them that end at a request of the test's choice. */
import { chmodSync, lutimesSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { CopyReport } from '../../../src/storage/copy/copy-report.ts';
import { copyTree } from '../../../src/storage/copy/copy-tree.ts';
import type { ContentStore } from '../../../src/storage/content-store.ts';
import { openLocalDisk } from '../../../src/storage/disk/local-disk.ts';
import { createObjectContent } from '../../../src/storage/object-content/object-content.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { noise } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { stepping } from '../object-content/stepping.ts';

const OLD = new Date('2020-02-02T02:02:02Z');

/** Bytes of the largest file of {@link writeTree}: three chunks of a copy. */
export const LARGE_BYTES = 17 * 1024 * 1024;

/** A root with files of all kinds, whose directories have old times. */
export function writeTree(): string {
  const root = path.join(temporaryDirectory(), 'root');
  mkdirSync(path.join(root, 'a/b'), { recursive: true });
  mkdirSync(path.join(root, 'empty'));
  writeFileSync(path.join(root, 'large'), noise(LARGE_BYTES, 'large'));
  for (let n = 0; n < 9; n += 1) writeFileSync(path.join(root, `a/b/${n}`), `file ${n} `.repeat(n * 100));
  writeFileSync(path.join(root, 'a/none'), '');
  symlinkSync('b/1', path.join(root, 'a/link'));
  chmodSync(path.join(root, 'a/b/3'), 0o640);
  for (const name of ['a/b/3', 'a/b', 'a', 'empty']) utimesSync(path.join(root, name), OLD, OLD);
  lutimesSync(path.join(root, 'a/link'), OLD, OLD);
  return root;
}

/** Opens a root; it is closed with the test. */
export async function openRoot(root: string): Promise<ContentStore> {
  const disk = await openLocalDisk(root);
  onTestFinished(() => disk.close());
  return disk;
}

/** The tree of a store of objects, as a copy opens it. */
export function treeOf(objects: ObjectStore): ContentStore {
  return createObjectContent(objects, { keepsMetadata: true });
}

/** What a copy told. */
export interface Told {
  readonly leftOut: [path: string, code: string][];
  entries: number;
  bytesCopied: number;
  bytesThere: number;
}

/** Collects what a copy tells. */
export function listen(): { readonly told: Told; readonly report: CopyReport } {
  const told: Told = { leftOut: [], entries: 0, bytesCopied: 0, bytesThere: 0 };
  const report: CopyReport = {
    leftOut: (where, { code }) => void told.leftOut.push([where, code]),
    entries: (count) => void (told.entries += count),
    copied: (bytes) => void (told.bytesCopied += bytes),
    wasThere: (bytes) => void (told.bytesThere += bytes),
  };
  return { told, report };
}

/** Copies a tree in batches of a few entries. */
export async function runCopy(from: ContentStore, to: ContentStore, batchEntries = 5): Promise<Told> {
  const { told, report } = listen();
  await copyTree(from, to, { report, signal: new AbortController().signal, batchEntries });
  return told;
}

/** The crash of a process, at a request. */
export class Crash extends Error {}

/** The same objects for a process that dies at its request with this number; nothing of it happens any more. */
export function mortal(objects: ObjectStore, deadly: number): ObjectStore {
  let requests = 0;
  return stepping(objects, () => {
    requests += 1;
    if (requests >= deadly) throw new Crash();
  });
}
