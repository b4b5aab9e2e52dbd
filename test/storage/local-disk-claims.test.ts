import {
  existsSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CairnError } from '../../src/base/errors.ts';
import type { ChunkStaging, ContentStore } from '../../src/storage/content-store.ts';
import type { StoreIncident } from '../../src/storage/incident.ts';
import {
  begin,
  chunkBytes,
  collect,
  directory,
  file,
  orderOf,
  stageAll,
  stream,
  transferOf,
  noise,
  type Item,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { diskPlace, type DiskPlace } from './local-disk-fixtures.ts';

const ID = 'disk-claims';
const SIZE = 64 * 1024;

const durable = (staging: ChunkStaging): number[] => [...staging.digests.chunks.values()];

interface Staged {
  readonly place: DiskPlace;
  readonly store: ContentStore;
  readonly transfer: SampleTransfer;
  readonly folder: string;
}

/** A transfer all of whose chunks are durable. */
async function staged(items: readonly Item[]): Promise<Staged> {
  const place = diskPlace();
  const store = await place.open();
  const transfer = transferOf(store, 't', items);
  const { staging } = await begin(store, ID, transfer);
  await stageAll(staging, transfer);
  await staging.close();
  return { place, store, transfer, folder: join(place.root, '.cairn/staging', ID) };
}

const TREE = [directory(''), file('a', 4 * SIZE), file('b', 2 * SIZE), file('small', 100), file('tiny', 7)];

describe('claims of a journal', () => {
  it.each([
    [
      'a file that is shorter than the claim',
      (folder: string) => truncateSync(join(folder, 'e1'), SIZE + 9),
      1,
    ],
    ['a file that is empty', (folder: string) => truncateSync(join(folder, 'e1'), 0), 0],
    ['a file that is gone', (folder: string) => unlinkSync(join(folder, 'e1')), 0],
  ])("a journal's claim is withdrawn at opening for %s", async (_what, harm, left) => {
    const { place, transfer, folder } = await staged(TREE);
    harm(folder);
    const incidents: StoreIncident[] = [];
    const store = await place.open({ onIncident: (incident) => incidents.push(incident) });
    const { staging } = await begin(store, ID, transfer);
    expect(durable(staging)).toEqual([...[0, 1, 2, 3].slice(0, left), 4, 5, 6]);
    expect(incidents.map(({ kind, session }) => [kind, session])).toEqual([['chunks-short', ID]]);
    await staging.close();
    const again = await begin(await place.open(), ID, transfer);
    expect(durable(again.staging)).toEqual([...[0, 1, 2, 3].slice(0, left), 4, 5, 6]);
    await stageAll(again.staging, transfer);
    await again.staging.publish(orderOf(transfer));
    expect(statSync(join(place.root, 't/a')).size).toBe(4 * SIZE);
  });

  it("a journal's claim is withdrawn at opening for packed small files that are cut", async () => {
    const { place, transfer, folder } = await staged(TREE);
    truncateSync(join(folder, 'c6'), 106);
    const { staging } = await begin(await place.open(), ID, transfer);
    expect(durable(staging)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("a journal's claim of the short last chunk of a stream holds until its file is cut", async () => {
    const { place, transfer, folder } = await staged([stream(noise(2 * SIZE + 500, 'stream'))]);
    const first = await begin(await place.open(), ID, transfer);
    expect(durable(first.staging)).toEqual([0, 1, 2]);
    await first.staging.close();
    truncateSync(join(folder, 'e0'), 2 * SIZE);
    const second = await begin(await place.open(), ID, transfer);
    expect(durable(second.staging)).toEqual([0, 1]);
  });

  it("a journal's claim holds for files that an interrupted commit has moved to their final paths", async () => {
    const { place, transfer, folder } = await staged(TREE);
    const { staging } = await begin(await place.open(), ID, transfer);
    await staging.publish(orderOf(transfer));
    await staging.close();
    expect(existsSync(join(folder, 'e1'))).toBe(false);
    const again = await begin(await place.open(), ID, transfer);
    expect(durable(again.staging)).toHaveLength(7);
    await again.staging.publish(orderOf(transfer));
    expect(statSync(join(place.root, 't/a')).size).toBe(4 * SIZE);
  });

  it.each([
    ['a large file', 'e1', [0, 4]],
    ['packed small files', 'c6', [6, 1]],
  ])(
    "a journal's claim is withdrawn when publishing misses %s, and what is missing is named",
    async (_what, name, runs) => {
      const { place, store, transfer, folder } = await staged(TREE);
      const { staging } = await begin(store, ID, transfer);
      await staging.verify();
      renameSync(join(folder, name), join(place.outside, name));
      const refusal = await staging.publish(orderOf(transfer)).catch((error: CairnError) => error);
      expect(refusal).toMatchObject({ code: 'chunks-missing' });
      expect((refusal as CairnError).details['runs']).toEqual(expect.arrayContaining(runs));
      expect(staging.digests.has(runs[0]!)).toBe(false);
      await stageAll(staging, transfer);
      await staging.publish(orderOf(transfer));
      for (const [entry, size] of [
        ['a', 4 * SIZE],
        ['b', 2 * SIZE],
        ['small', 100],
      ] as const)
        expect(statSync(join(place.root, 't', entry)).size).toBe(size);
    },
  );
});

describe('upkeep of a store', () => {
  it('a store that only reports changes nothing, and reads as if it had repaired', async () => {
    const { place, transfer, folder } = await staged(TREE);
    truncateSync(join(folder, 'e1'), SIZE);
    writeFileSync(join(folder, 'd3'), 'a duplicate');
    const before = readFileSync(join(folder, 'journal'));
    const incidents: StoreIncident[] = [];
    const store = await place.open({
      upkeep: 'report',
      onIncident: (incident) => incidents.push(incident),
    });
    const { staging } = await begin(store, ID, transfer);
    expect(incidents.map(({ kind }) => kind)).toEqual(['chunks-short', 'stray-file']);
    expect(durable(staging)).toEqual([0, 4, 5, 6]);
    await staging.forget([0]);
    expect(durable(staging)).toEqual([4, 5, 6]);
    expect((await collect(staging.read(4))).equals(chunkBytes(transfer, 4))).toBe(true);
    await staging.close();
    expect(readFileSync(join(folder, 'journal')).equals(before)).toBe(true);
    expect(existsSync(join(folder, 'd3'))).toBe(true);
  });

  it('a store with thorough upkeep removes staged files that belong to no chunk', async () => {
    const { place, transfer, folder } = await staged(TREE);
    for (const name of ['e0', 'e9', 'c0', 'c7', 'p3', 'p99', 'd1', 'unknown'])
      writeFileSync(join(folder, name), 'x');
    const { staging } = await begin(await place.open({ upkeep: 'thorough' }), ID, transfer);
    await staging.close();
    for (const name of ['e0', 'e9', 'c0', 'c7', 'p99', 'd1', 'unknown'])
      expect([name, existsSync(join(folder, name))]).toEqual([name, false]);
    for (const name of ['e1', 'e2', 'c6', 'p3', 'journal'])
      expect([name, existsSync(join(folder, name))]).toEqual([name, true]);
  });
});
