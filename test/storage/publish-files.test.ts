import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { DirectoryCursor } from '../../src/base/directory-walk.ts';
import { openDirectory } from '../../src/base/directory.ts';
import { createLayout } from '../../src/manifest/layout.ts';
import { createManifest } from '../../src/manifest/manifest.ts';
import { fileTimes } from '../../src/storage/disk/tree/file-times.ts';
import type { Publication } from '../../src/storage/disk/publish/publication.ts';
import { publishFiles } from '../../src/storage/disk/publish/publish-files.ts';
import { WholeTrees } from '../../src/storage/disk/publish/whole-trees.ts';
import { RefusedEntries } from '../../src/transfer/refused-entries.ts';
import { file } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';

const SIZE = 64 * 1024;

it('publishing syncs the name of a file that an earlier run renamed, where there is no syncfs', async () => {
  const item = file('folder/large', SIZE, { mtimeNs: 1_600_000_000_000_000_000n });
  const manifest = createManifest({ chunkSizeBytes: SIZE, digest: 'xxh64' }, [item.entry]);
  const layout = createLayout(manifest);
  const place = temporaryDirectory();
  const staging = path.join(place, 'staging');
  const published = path.join(place, 'root/target/folder/large');
  mkdirSync(path.dirname(published), { recursive: true });
  mkdirSync(staging);
  writeFileSync(published, item.bytes);
  utimesSync(published, 1_600_000_000, 1_600_000_000);
  const root = openDirectory(path.join(place, 'root'));
  const folder = openDirectory(staging);
  const publication = {
    root,
    folder,
    layout,
    times: fileTimes(undefined),
    transfer: { manifest, layout, target: 'target' },
    order: { isPresent: () => false, needsAttributes: () => false, isExcluded: () => false },
    cursor: new DirectoryCursor(root, { create: true, sync: true }),
    breathe: () => undefined,
    syncFileSystem: undefined,
    touched: new Set<string>(),
    deferred: new Set<number>(),
    whole: new WholeTrees(),
    refused: new RefusedEntries(manifest.entries, undefined),
  } as Partial<Publication> as Publication;
  await publishFiles(publication);
  expect([...publication.touched]).toEqual(['target/folder']);
  publication.cursor.close();
  folder.close();
  root.close();
});
