/** What a store has, compared with what it should have. */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { comparePaths, joinPath } from '../../src/base/safe-path.ts';
import type { Entry, ScannedEntry } from '../../src/manifest/entry.ts';
import type { Notice } from '../../src/wire/tree-stream.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { collect, type Item } from './staged-transfer.ts';

/** Everything that a scan gives, with its notices. */
export async function scanAll(
  store: ContentStore,
  path: string,
  options: { depth?: 1 } = {},
): Promise<{ found: ScannedEntry[]; notices: Notice[] }> {
  const found: ScannedEntry[] = [];
  const notices: Notice[] = [];
  const sink = { ...options, onNotice: (notice: Notice) => void notices.push(notice) };
  for await (const batch of store.scan(path, sink)) found.push(...batch);
  return { found, notices };
}

/** A file's bytes. */
export async function readFile(store: ContentStore, path: string): Promise<Buffer> {
  const [found] = await store.lookup([path]);
  return collect(store.read(path, { from: 0, to: found?.entry.sizeBytes ?? 0 }));
}

/** What a store has at `path` is exactly `items`; modification times as exact as the store can keep them. */
export async function expectTree(store: ContentStore, path: string, items: readonly Item[]): Promise<void> {
  const sorted = items.toSorted((a, b) => comparePaths(a.entry.path, b.entry.path));
  const { found } = await scanAll(store, path);
  const lines: string[] = [];
  for (const { entry } of found) {
    const bytes = entry.type === 'file' ? await readFile(store, joinPath(path, entry.path)) : Buffer.alloc(0);
    const wanted = sorted.find((item) => item.entry.path === entry.path)?.entry.mtimeNs ?? entry.mtimeNs;
    const offNs = entry.mtimeNs > wanted ? entry.mtimeNs - wanted : wanted - entry.mtimeNs;
    const mtimeNs = offNs < store.properties.mtimeResolutionNs ? wanted : entry.mtimeNs;
    lines.push(line({ ...entry, mtimeNs }, bytes));
  }
  expect(lines).toEqual(sorted.map(({ entry, bytes }) => line(entry, bytes)));
}

function line(entry: Entry, bytes: Buffer): string {
  const type = entry.type === 'stream' ? 'file' : entry.type;
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const { path, mode, mtimeNs, linkTarget } = entry;
  return `${JSON.stringify(path)} ${type} ${mode.toString(8)} ${mtimeNs} ${linkTarget} ${bytes.length}:${digest}`;
}
