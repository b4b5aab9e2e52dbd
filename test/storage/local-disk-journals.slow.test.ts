/** Every cut and every wrong bit of a small journal, over the real storage: nothing wrong is published, and all arrives. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { ChunkStaging, StagingArea } from '../../src/storage/content-store.ts';
import { receiveChunk } from '../../src/transfer/chunk-transfer.ts';
import {
  begin,
  chunkBytes,
  digestOf,
  directory,
  expectedChunk,
  file,
  inPieces,
  orderOf,
  stageAll,
  stageChunk,
  transferOf,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { diskPlace } from './local-disk-fixtures.ts';

const CHUNK_BYTES = 64 * 1024;
const ITEMS = [directory(''), file('big', 3 * CHUNK_BYTES + 7), file('small', 3000)];
/** Index of the big file, and with it the name of what is staged of it. */
const BIG = 'e1';

/** A chunk whose claim was withdrawn before other bytes were written in its place. */
const OVERWRITTEN = 1;

/** What lies in a staging folder between two runs. */
interface Interrupted {
  readonly transfer: SampleTransfer;
  readonly folder: string;
  readonly target: string;
  readonly journal: Buffer;
  readonly rightDigests: readonly Uint8Array[];
  openArea(): Promise<StagingArea>;
  /** Puts everything back to where it was interrupted, with this journal. */
  restore(journal: Buffer): void;
}

/**
 * Of everything that a journal can say there is something in it: chunks, first bytes of a chunk, a claim that was
 * withdrawn, behind which other bytes were written, and chunks after that.
 */
async function interrupted(): Promise<Interrupted> {
  const place = diskPlace();
  const store = await place.open();
  const transfer = transferOf(store, 'there', ITEMS);
  const { staging } = await begin(store, 'session', transfer);
  for (const chunk of [0, 1]) await stageChunk(staging, transfer, chunk);
  await staging.sync();
  const half = inPieces(chunkBytes(transfer, 2).subarray(0, 20_000));
  await expect(receiveChunk(half, staging, expectedChunk(transfer, 2))).rejects.toThrow(CairnError);
  await staging.sync();
  await staging.forget([OVERWRITTEN]);
  for (const chunk of [3, 4]) await stageChunk(staging, transfer, chunk);
  await staging.sync();
  await staging.close();
  const folder = join(place.root, '.cairn/staging/session');
  const handle = await open(join(folder, BIG), 'r+');
  await handle.write(Buffer.alloc(500, 'other bytes'), 0, 500, OVERWRITTEN * CHUNK_BYTES + 100);
  await handle.close();
  const copies = mkdtempSync(join(tmpdir(), 'cairn-copy-'));
  onTestFinished(() => rmSync(copies, { recursive: true }));
  cpSync(folder, copies, { recursive: true, preserveTimestamps: true });
  const target = join(place.root, 'there');
  return {
    transfer,
    folder,
    target,
    journal: readFileSync(join(folder, 'journal')),
    rightDigests: [0, 1, 2, 3, 4].map((chunk) => digestOf(transfer, chunkBytes(transfer, chunk))),
    openArea: () => store.openStaging('session'),
    restore: (journal) => {
      rmSync(target, { recursive: true, force: true });
      cpSync(copies, folder, { recursive: true, preserveTimestamps: true });
      writeFileSync(join(folder, 'journal'), journal);
    },
  };
}

/** Chunks that are claimed, and are not there with that digest: all but the one that was written over are. */
function wrongClaims(staging: ChunkStaging, rightDigests: readonly Uint8Array[]): number[] {
  return [...staging.digests.chunks.copy().values()].filter(
    (chunk) =>
      chunk === OVERWRITTEN || Buffer.compare(staging.digests.get(chunk)!, rightDigests[chunk]!) !== 0,
  );
}

/** Sends what is missing and publishes; where publishing finds wrong bytes, once more. */
async function finish(staging: ChunkStaging, { transfer, target }: Interrupted): Promise<void> {
  await stageAll(staging, transfer);
  try {
    await staging.publish(orderOf(transfer));
  } catch (error) {
    expect(error).toMatchObject({ code: 'chunks-missing' });
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer));
  }
  for (const { entry, bytes } of ITEMS.slice(1))
    expect(readFileSync(join(target, entry.path)).equals(bytes)).toBe(true);
}

/** Opens, looks, and finishes, unless a journal that was mended to the same has been finished before. */
async function outlive(scene: Interrupted, damaged: Buffer, finished: Set<string>): Promise<void> {
  writeFileSync(join(scene.folder, 'journal'), damaged);
  const area = await scene.openArea();
  const staging = await area.openChunks(scene.transfer);
  const mended = readFileSync(join(scene.folder, 'journal')).toString('latin1');
  const wrong = wrongClaims(staging, scene.rightDigests);
  // What is gone from the end may be that a claim was withdrawn, which cannot be seen. Publishing hashes it again.
  if (wrong.length > 0) expect(wrong).toEqual([OVERWRITTEN]);
  if (!finished.has(mended)) {
    await finish(staging, scene);
    finished.add(mended);
    await staging.close();
    scene.restore(damaged);
  } else await staging.close();
}

test('a journal that is cut at any byte leads to nothing wrong, and the transfer finishes', async () => {
  const scene = await interrupted();
  const finished = new Set<string>();
  for (let at = 0; at <= scene.journal.length; at += 1)
    await outlive(scene, scene.journal.subarray(0, at), finished);
  expect(finished.size).toBeGreaterThan(4);
});

test('a journal with any bit wrong leads to nothing wrong, and the transfer finishes', async () => {
  const scene = await interrupted();
  const finished = new Set<string>();
  for (let bit = 0; bit < scene.journal.length * 8; bit += 1) {
    const flipped = Buffer.from(scene.journal);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    await outlive(scene, flipped, finished);
  }
  expect(finished.size).toBeGreaterThan(1);
});
