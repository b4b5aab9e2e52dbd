import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openCheckpointLog } from '../../src/checkpoint/checkpoint-log.ts';
import { KIND } from '../../src/checkpoint/checkpoint-records.ts';
import { encodedBytes } from '../../src/checkpoint/journal-format.ts';
import { openJournal } from '../../src/checkpoint/journal.ts';

const MIB = 1024 * 1024;
const BINDING = { manifestId: 'ab'.repeat(32), digestLengthBytes: 32 };

let home: string;
let path: string;
let prototype: FileHandle;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'cairn-journal-'));
  path = join(home, 'j');
  const probe = await open(home);
  prototype = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(home, { recursive: true });
});

/** A kernel that drops what a failed sync should have written, and shows it none the less. */
interface Disk {
  /** Bytes that a power cut cannot take. */
  readonly durable: Set<number>;
  /** Most bytes that one sync had to make durable. */
  mostBytes: number;
  /** All syncs fail after so many more. */
  failAt: number;
}

/** Watches what is written and synced, byte by byte. */
function watchDisk(): Disk {
  const disk: Disk = { durable: new Set(), mostBytes: 0, failAt: Infinity };
  const written = new Set<number>();
  let writtenBytes = 0;
  const { writev } = prototype;
  vi.spyOn(prototype, 'writev').mockImplementation(function (this: FileHandle, buffers, position) {
    const lengthBytes = (buffers as Uint8Array[]).reduce((sum, { byteLength }) => sum + byteLength, 0);
    for (let at = position!; at < position! + lengthBytes; at += 1) written.add(at);
    writtenBytes += lengthBytes;
    return writev.call(this, buffers, position);
  });
  vi.spyOn(prototype, 'datasync').mockImplementation(async () => {
    const fails = (disk.failAt -= 1) < 0;
    disk.mostBytes = Math.max(disk.mostBytes, writtenBytes);
    if (!fails) for (const at of written) disk.durable.add(at);
    written.clear();
    writtenBytes = 0;
    if (fails) throw Object.assign(new Error('i/o'), { code: 'EIO' });
  });
  return disk;
}

it.each([1, 2, 3])(
  'an append of 30,000 chunks whose sync %i fails is durable, or written again at the next opening',
  async (good) => {
    const disk = watchDisk();
    const log = await openCheckpointLog(path, BINDING);
    await log.append({ epoch: 1 });
    disk.failAt = good - 1;
    const chunks = Array.from(
      { length: 30_000 },
      (_, chunk) => [chunk, new Uint8Array(32).fill(chunk)] as const,
    );
    const appended = await log.append({ chunks }).then(
      () => 'durable',
      () => 'failed',
    );
    expect(appended).toBe(good <= 2 ? 'failed' : 'durable');
    await log.close();
    disk.failAt = Infinity;
    const again = await openCheckpointLog(path, BINDING);
    expect(again.digests.chunks.size).toBeGreaterThan(good === 3 ? 29_999 : 16_000);
    expect(disk.durable.size).toBe(statSync(path).size);
    await again.close();
    expect(disk.mostBytes).toBeLessThanOrEqual(MIB);
  },
);

it('a record that is longer than one sync takes is written again as a whole', async () => {
  const disk = watchDisk();
  const journal = await openJournal(path);
  const record = { kind: KIND.chunks, payload: new Uint8Array(2 * MIB) };
  disk.failAt = 1;
  await journal.append([{ kind: KIND.epoch, payload: new Uint8Array(6) }]);
  await expect(journal.append([record])).rejects.toMatchObject({ code: 'storage-io' });
  await journal.close();
  disk.failAt = Infinity;
  const again = await openJournal(path);
  expect(again.records.at(-1)?.payload.length).toBe(2 * MIB);
  expect(disk.durable.size).toBe(statSync(path).size);
  expect(disk.mostBytes).toBe(encodedBytes(record));
  await again.close();
});
