import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CairnError } from '../../src/base/errors.ts';
import type { Assembly } from '../../src/manifest/assembly.ts';
import { sumOfRanges } from '../../src/manifest/assembly.ts';
import { createLayout } from '../../src/manifest/layout.ts';
import type { ChunkStaging, ContentStore, IncomingTransfer } from '../../src/storage/content-store.ts';
import { assemblyOf, carriedOf } from '../support/compare-files.ts';
import {
  begin,
  directory,
  file,
  noise,
  orderOf,
  putTree,
  stageAll,
  transferOf,
  type Item,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { diskPlace, type DiskPlace } from './local-disk-fixtures.ts';

const ID = 'disk-assembly';
const OLD = noise(1_000_000, 'an old file');
const MTIME_NS = 1_700_000_000_000_000_000n;

/** A version of the old file with 200,000 bytes more in front, and ten bytes changed. */
const MUCH = Buffer.concat([noise(200_000, 'in front'), OLD]);
MUCH.fill(0, 700_000, 700_010);
/** One in which ten bytes changed. */
const LITTLE = Buffer.from(OLD);
LITTLE.fill(0, 500_000, 500_010);
/** One in which bytes were only taken out. */
const NOTHING = OLD.subarray(0, 900_000);

type PartsTransfer = SampleTransfer & Pick<IncomingTransfer, 'assemblies'>;

/** A transfer of items, of some of which only the parts are carried that an old version has not got. */
function partsOf(
  store: ContentStore,
  items: readonly Item[],
  older: Readonly<Record<string, Buffer>>,
  digest: 'xxh64' | 'sha256' = 'xxh64',
): PartsTransfer {
  const transfer = transferOf(store, 't', items, { digest });
  const assemblies = new Map<number, Assembly>();
  const carried = transfer.items.map(({ entry, bytes }, index) => {
    const old = older[entry.path];
    if (old === undefined) return { entry, bytes };
    const assembly = assemblyOf(old, bytes, digest);
    assemblies.set(index, assembly);
    return { entry, bytes: carriedOf(assembly, bytes) };
  });
  const partsBytesOf = (index: number): number | undefined => {
    const assembly = assemblies.get(index);
    return assembly === undefined ? undefined : sumOfRanges(assembly.carried);
  };
  return {
    ...transfer,
    items: carried,
    assemblies,
    layout: createLayout(transfer.manifest, { partsBytesOf }),
  };
}

const TREE = [
  directory(''),
  file('a', 70_000),
  itemOf('little', LITTLE),
  itemOf('much', MUCH),
  itemOf('nothing', NOTHING),
  itemOf('same', OLD),
  file('small', 100),
];
const OLDER = { little: OLD, much: OLD, nothing: OLD, same: OLD };

function itemOf(path: string, bytes: Buffer): Item {
  const { entry } = file(path, 0, { mode: 0o640, mtimeNs: MTIME_NS });
  return { bytes, entry: { ...entry, sizeBytes: bytes.length } };
}

interface Opened {
  readonly place: DiskPlace;
  readonly store: ContentStore;
  readonly transfer: PartsTransfer;
  readonly staging: ChunkStaging;
  at(path: string): string;
}

/** A root with the old files, and a transfer whose chunks are all staged. */
async function staged(digest: 'xxh64' | 'sha256' = 'xxh64'): Promise<Opened> {
  const place = diskPlace();
  const store = await place.open();
  await putTree(store, 't', [
    directory(''),
    ...Object.entries(OLDER).map(([path, bytes]) => itemOf(path, bytes)),
  ]);
  const transfer = partsOf(store, TREE, OLDER, digest);
  const { staging } = await begin(store, ID, transfer);
  await stageAll(staging, transfer);
  return { place, store, transfer, staging, at: (path) => join(place.root, 't', path) };
}

function expectPublished({ at }: Opened): void {
  for (const { entry, bytes } of TREE.slice(1))
    expect(readFileSync(at(entry.path)).equals(bytes), entry.path).toBe(true);
  const { mode, mtimeMs } = statSync(at('much'));
  expect([mode & 0o777, mtimeMs]).toEqual([0o640, Number(MTIME_NS / 1_000_000n)]);
}

async function failureOf(doing: Promise<void>): Promise<Pick<CairnError, 'code' | 'details'>> {
  const { code, details } = await doing.then(
    () => expect.fail('it was published'),
    (error: CairnError) => error,
  );
  return { code, details };
}

describe('assembled files', () => {
  it('a file of carried parts takes few bytes of staging, in its own file, a packed one, or none', async () => {
    const { transfer, staging } = await staged();
    const { layout, manifest } = transfer;
    const index = (path: string): number => [...manifest.entries].findIndex((entry) => entry.path === path);
    expect(layout.isLarge(index('much'))).toBe(true);
    expect(layout.carriedBytesOf(index('much'))).toBeLessThan(250_000);
    expect(layout.isLarge(index('little'))).toBe(false);
    expect(layout.chunksOf(index('same')).count).toBe(0);
    expect(layout.chunksOf(index('nothing'))).toEqual(layout.chunksOf(index('small')));
    await staging.close();
  });

  it.each(['xxh64', 'sha256'] as const)(
    'a file of carried parts is published whole, beside others: %s',
    async (digest) => {
      const opened = await staged(digest);
      await opened.staging.publish(orderOf(opened.transfer));
      expectPublished(opened);
      await opened.staging.close();
    },
  );

  it('a file of carried parts is published by another process than the one that staged it', async () => {
    const opened = await staged();
    await opened.staging.close();
    const area = await (await opened.place.open()).openStaging(ID);
    const staging = await area.openChunks(opened.transfer);
    await staging.publish(orderOf(opened.transfer));
    expectPublished(opened);
    await staging.close();
  });

  it('a file of carried parts is published again after a crash, wherever that interrupted it', async () => {
    const opened = await staged();
    const { staging, transfer, at, place } = opened;
    await staging.publish(orderOf(transfer));
    await staging.close();
    // One of them was not renamed yet, and another one half assembled.
    writeFileSync(at('much'), OLD);
    for (const name of ['a2', 'a3'])
      writeFileSync(join(place.root, '.cairn/staging', ID, name), Buffer.alloc(LITTLE.length));
    const again = await (await (await place.open()).openStaging(ID)).openChunks(transfer);
    await again.publish(orderOf(transfer));
    expectPublished(opened);
    await again.close();
  });

  it('a file of carried parts is assembled even if the old file has its size and time', async () => {
    const opened = await staged();
    const { staging, transfer, at } = opened;
    const seconds = Number(MTIME_NS / 1_000_000_000n);
    utimesSync(at('little'), seconds, seconds);
    expect(statSync(at('little')).size).toBe(LITTLE.length);
    await staging.publish(orderOf(transfer));
    expectPublished(opened);
    await staging.close();
  });

  it('a file of carried parts is not published where existing files stay as they are', async () => {
    const { staging, transfer } = await staged();
    const { code } = await failureOf(staging.publish(orderOf(transfer, { existing: 'kept' })));
    expect(code).toBe('internal');
    await staging.close();
  });

  it('a file of carried parts that is excluded leaves the old file alone', async () => {
    const { staging, transfer, at } = await staged();
    const isExcluded = (index: number): boolean => transfer.manifest.entries.pathOf(index) === 'much';
    await staging.publish(orderOf(transfer, { isExcluded }));
    expect(readFileSync(at('much')).equals(OLD)).toBe(true);
    expect(readFileSync(at('little')).equals(LITTLE)).toBe(true);
    await staging.close();
  });

  it.each([
    ['has other bytes', (path: string) => writeFileSync(path, Buffer.from(OLD).fill('x', 300_000, 300_001))],
    ['is shorter', (path: string) => truncateSync(path, 800_000)],
    ['is gone', (path: string) => rmSync(path)],
    [
      'is a link to a file with the same bytes',
      (path: string) => {
        renameSync(path, `${path}.other`);
        symlinkSync(`${path}.other`, path);
      },
    ],
  ])(
    'a publishing names a file of carried parts, and publishes nothing, when the old file %s by now',
    async (_, change) => {
      const { staging, transfer, at } = await staged();
      change(at('much'));
      const { code, details } = await failureOf(staging.publish(orderOf(transfer)));
      expect(code).toBe('chunks-missing');
      expect(details['entries']).toEqual([3]);
      expect(existsSync(at('a'))).toBe(false);
      expect(readFileSync(at('little')).equals(OLD)).toBe(true);
      await staging.close();
    },
  );

  it('a file of carried parts whose staged bytes are gone is sent again, and not assembled', async () => {
    const { staging, transfer, place } = await staged();
    await staging.close();
    const folder = join(place.root, '.cairn/staging', ID);
    const name = readdirSync(folder).find((each) => each === 'e3')!;
    rmSync(join(folder, name));
    const again = await (await (await place.open()).openStaging(ID)).openChunks(transfer);
    const { first, count } = transfer.layout.chunksOf(3);
    expect(again.digests.has(first)).toBe(false);
    const { code, details } = await failureOf(again.publish(orderOf(transfer)));
    expect([code, details['runs']]).toEqual(['chunks-missing', [first, count]]);
    await again.close();
  });
});
