/** Staged files that were damaged between two openings, and what a full disk leaves open. */
import { open, truncate } from 'node:fs/promises';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import type { CairnError } from '../../src/base/errors.ts';
import type { ChunkStaging } from '../../src/storage/content-store.ts';
import {
  begin,
  codeOf,
  directory,
  file,
  orderOf,
  stageAll,
  stageChunk,
  transferOf,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { diskPlace, openDescriptors, type DiskPlace } from './local-disk-fixtures.ts';

const CHUNK_BYTES = 64 * 1024;
const ITEMS = [directory(''), file('big', 4 * CHUNK_BYTES + 7), file('small', 3000), file('tiny', 10)];
/** Index of the big file: the root comes first. */
const BIG = 1;

interface Staged {
  readonly place: DiskPlace;
  readonly transfer: SampleTransfer;
  readonly folder: string;
  /** The chunks in a process that begins anew. */
  reopen(): Promise<ChunkStaging>;
}

/** All chunks staged and durable, and nothing open. */
async function staged(): Promise<Staged> {
  const place = diskPlace();
  const store = await place.open();
  const transfer = transferOf(store, 'there', ITEMS);
  const { staging } = await begin(store, 'session', transfer);
  await stageAll(staging, transfer);
  await staging.sync();
  await staging.close();
  const reopen = async (): Promise<ChunkStaging> =>
    (await (await place.open()).openStaging('session')).openChunks(transfer);
  return { place, transfer, folder: join(place.root, '.cairn/staging/session'), reopen };
}

async function punch(path: string, at: number, bytes: number): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(Buffer.alloc(bytes), 0, bytes, at);
  await handle.close();
}

const DAMAGES: Readonly<
  Record<string, { of: readonly number[]; do: (folder: string) => Promise<void> | void }>
> = {
  'that has a hole': { of: [1], do: (folder) => punch(join(folder, `e${BIG}`), CHUNK_BYTES + 100, 50) },
  'that was cut': { of: [2, 3, 4], do: (folder) => truncate(join(folder, `e${BIG}`), 2 * CHUNK_BYTES + 9) },
  'that was cut, and grew again': {
    of: [0, 1, 2, 3, 4],
    do: (folder) => writeFileSync(join(folder, `e${BIG}`), Buffer.alloc(4 * CHUNK_BYTES + 7)),
  },
  'that is gone': { of: [0, 1, 2, 3, 4], do: (folder) => rmSync(join(folder, `e${BIG}`)) },
  'of small files that is gone': { of: [5], do: (folder) => rmSync(join(folder, 'c5')) },
  'of small files that has other bytes': { of: [5], do: (folder) => punch(join(folder, 'c5'), 20, 1) },
};

describe('damaged staged files', () => {
  test.each(Object.entries(DAMAGES))(
    'a staged file %s is not published, and named by its chunks',
    async (_, damage) => {
      const { place, transfer, folder, reopen } = await staged();
      await damage.do(folder);
      const staging = await reopen();
      const error = await staging.publish(orderOf(transfer)).catch((reason: unknown) => reason as CairnError);
      const runs = damage.of.length === 1 ? [damage.of[0], 1] : [damage.of[0], damage.of.length];
      expect(error).toMatchObject({ code: 'chunks-missing', details: { runs } });
      expect(damage.of.filter((chunk) => staging.digests.has(chunk))).toEqual([]);
      // Sent again, it is published.
      for (const chunk of damage.of) await stageChunk(staging, transfer, chunk);
      await staging.publish(orderOf(transfer));
      for (const { entry, bytes } of ITEMS.slice(1))
        expect(readFileSync(join(place.root, 'there', entry.path)).equals(bytes)).toBe(true);
      await staging.close();
    },
  );

  test.each(Object.entries(DAMAGES))(
    'verifying finds a staged file %s before the sender ends',
    async (_, damage) => {
      const { folder, reopen } = await staged();
      await damage.do(folder);
      const staging = await reopen();
      // What the size of a file tells was found when it was opened.
      const claimed = damage.of.filter((chunk) => staging.digests.has(chunk));
      expect(await staging.verify()).toEqual(claimed);
      expect(await staging.verify()).toEqual([]);
      await staging.close();
      const again = await reopen();
      expect(damage.of.filter((chunk) => again.digests.has(chunk))).toEqual([]);
      await again.close();
    },
  );

  test('a staged file that an earlier run has published is found at its final path, unless it was replaced', async () => {
    const { place, transfer, folder, reopen } = await staged();
    const staging = await reopen();
    await staging.publish(orderOf(transfer));
    await staging.close();
    const again = await reopen();
    await again.publish(orderOf(transfer));
    expect(readFileSync(join(place.root, 'there/big')).equals(ITEMS[BIG]!.bytes)).toBe(true);
    await again.close();
    // Of the right size and time, and something else: not what was published.
    const other = await reopen();
    renameSync(join(place.root, 'there/big'), join(folder, 'aside'));
    writeFileSync(join(place.root, 'there/big'), Buffer.alloc(ITEMS[BIG]!.bytes.length));
    expect(await codeOf(() => other.publish(orderOf(transfer)))).toBe('chunks-missing');
    await other.close();
  });
});

test.skipIf(process.platform !== 'linux')(
  'a disk that takes neither data nor journal leaves no descriptor open',
  async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 'there', ITEMS);
    // From now on the store holds open what is reserved.
    await store.openStaging('session');
    const before = openDescriptors();
    const { staging } = await begin(store, 'session', transfer);
    for (let chunk = 0; chunk < 6; chunk += 1) await stageChunk(staging, transfer, chunk);
    const probe = await open(place.root, 'r');
    const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    const prototype = Object.getPrototypeOf(probe) as typeof probe;
    const { datasync } = prototype;
    // One file is durable, the other is not, and the journal cannot take the first.
    const failing = vi.spyOn(prototype, 'datasync').mockImplementation(async function (this: typeof probe) {
      if (failing.mock.calls.length > 1) throw full;
      return datasync.call(this);
    });
    await probe.close();
    try {
      expect(await codeOf(() => staging.sync())).toBe('storage-full');
    } finally {
      failing.mockRestore();
    }
    await staging.close();
    expect(openDescriptors()).toBe(before);
  },
);
