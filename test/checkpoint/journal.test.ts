import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  HEADER_BYTES,
  type JournalRecord,
  encodeHeader,
  encodeRecord,
  readJournal,
} from '../../src/checkpoint/journal-format.ts';
import { Journal, openJournal } from '../../src/checkpoint/journal.ts';
import { cpuNowMs } from '../support/cpu-time.ts';

const record = (kind: number, text: string): JournalRecord => ({ kind, payload: Buffer.from(text) });
const plain = (records: readonly JournalRecord[]): [number, string][] =>
  records.map(({ kind, payload }) => [kind, Buffer.from(payload).toString('hex')]);
const encode = (records: readonly JournalRecord[]): Buffer =>
  Buffer.concat([encodeHeader(), ...records.map((each, index) => encodeRecord(each, index))]);

const SAMPLE = [record(1, 'first'), record(2, ''), record(3, 'the third one'), record(255, '\0\0')];

describe('reading a journal', () => {
  it('a journal is read as it was written', () => {
    const anyRecord = fc.record({ kind: fc.nat(255), payload: fc.uint8Array({ maxLength: 40 }) });
    fc.assert(
      fc.property(fc.array(anyRecord), (records) => {
        const bytes = encode(records);
        const content = readJournal(bytes);
        expect(plain(content.records)).toEqual(plain(records));
        expect(content).toMatchObject({ validBytes: bytes.length, torn: false, corruptAt: undefined });
      }),
    );
  });

  it('a journal counts as far as its longest whole prefix, wherever the file is cut', () => {
    const bytes = encode(SAMPLE);
    const ends = SAMPLE.map((_, index) => encode(SAMPLE.slice(0, index + 1)).length);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const content = readJournal(bytes.subarray(0, cut));
      const whole = ends.filter((end) => end <= cut).length;
      const validBytes = cut < HEADER_BYTES ? 0 : (ends[whole - 1] ?? HEADER_BYTES);
      expect(plain(content.records)).toEqual(plain(SAMPLE.slice(0, whole)));
      expect(content).toMatchObject({ validBytes, torn: cut !== validBytes, corruptAt: undefined });
    }
  });

  it('a journal with any bit flipped gives no wrong record, and damage differs from a torn end', () => {
    const bytes = encode(SAMPLE);
    const starts = [0, HEADER_BYTES, ...SAMPLE.map((_, index) => encode(SAMPLE.slice(0, index + 1)).length)];
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const content = readJournal(flipped);
      const hit = starts.findLastIndex((at) => at <= bit >> 3);
      expect(plain(content.records)).toEqual(plain(SAMPLE.slice(0, Math.max(0, hit - 1))));
      const isLast = hit === SAMPLE.length;
      expect(content).toMatchObject({ torn: isLast, corruptAt: isLast ? undefined : starts[hit] });
    }
  });

  it('a journal takes no record that is out of its place', () => {
    const [a, b, c] = SAMPLE.map((each, index) => encodeRecord(each, index)) as [Buffer, Buffer, Buffer];
    const read = (...parts: Buffer[]) => readJournal(Buffer.concat([encodeHeader(), ...parts]));
    expect(read(a, c)).toMatchObject({ records: { length: 1 }, corruptAt: HEADER_BYTES + a.length });
    expect(read(a, a, b)).toMatchObject({ records: { length: 1 }, corruptAt: HEADER_BYTES + a.length });
    expect(read(a, b, a)).toMatchObject({ records: { length: 2 }, torn: true, corruptAt: undefined });
    expect(read(a, Buffer.alloc(500))).toMatchObject({ records: { length: 1 }, torn: true });
  });

  it('a journal of 8 MiB of hostile bytes is read in less than 5 seconds of a processor', () => {
    const magic = encodeRecord(record(1, ''), 0).subarray(0, 4);
    const trap = Buffer.alloc(8 * 1024 * 1024);
    for (let at = 0; at + 32 < trap.length; at += 16) {
      magic.copy(trap, at);
      trap.writeUInt32BE(trap.length - at - 17, at + 4);
      trap.writeUInt32BE(3, at + 8);
    }
    const start = cpuNowMs();
    expect(readJournal(Buffer.concat([encodeHeader(), trap]))).toMatchObject({
      records: [],
      corruptAt: HEADER_BYTES,
    });
    expect(cpuNowMs() - start).toBeLessThan(5000);
  });

  it('a journal of a newer version is refused', () => {
    expect(() => readJournal(encodeHeader(2))).toThrow(expect.objectContaining({ code: 'journal-version' }));
  });
});

describe('opening a journal', () => {
  let home: string;
  let path: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-journal-'));
    path = join(home, 'j');
  });
  afterEach(() => rmSync(home, { recursive: true }));

  async function reopened(): Promise<{ records: [number, string][]; corruptAt: number | undefined }> {
    const journal = await openJournal(path);
    await journal.close();
    return { records: plain(journal.records), corruptAt: journal.corruptAt };
  }

  it('a journal has a private file, appends in order, and is read again', async () => {
    const journal = await openJournal(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await Promise.all(SAMPLE.map((each) => journal.append([each])));
    await journal.append([]);
    await journal.append(SAMPLE);
    await journal.close();
    await journal.close();
    expect(await reopened()).toEqual({ records: plain([...SAMPLE, ...SAMPLE]), corruptAt: undefined });
    await expect(journal.append(SAMPLE)).rejects.toMatchObject({ name: 'CairnError' });
    expect(readdirSync(home)).toEqual(['j']);
  });

  it('a journal goes on after a cut at any byte', async () => {
    const bytes = encode(SAMPLE);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      writeFileSync(path, bytes.subarray(0, cut));
      const journal = await openJournal(path);
      const kept = [...journal.records];
      await journal.append([record(9, 'after')]);
      await journal.close();
      expect(await reopened()).toEqual({
        records: plain([...kept, record(9, 'after')]),
        corruptAt: undefined,
      });
    }
  });

  it('a journal reports damage once, and goes on from what is whole', async () => {
    const bytes = encode(SAMPLE);
    bytes[encode(SAMPLE.slice(0, 1)).length + 5] = 0xff;
    writeFileSync(path, bytes);
    const corruptAt = encode(SAMPLE.slice(0, 1)).length;
    expect(await reopened()).toEqual({ records: plain(SAMPLE.slice(0, 1)), corruptAt });
    expect(await reopened()).toEqual({ records: plain(SAMPLE.slice(0, 1)), corruptAt: undefined });
    writeFileSync(path, `a file that is no journal at all`);
    expect(await reopened()).toEqual({ records: [], corruptAt: 0 });
  });

  it('opening a journal writes and syncs again what it finds', async () => {
    const bytes = encode(SAMPLE);
    writeFileSync(path, bytes);
    const probe = await open(path);
    const prototype = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const order: unknown[] = [];
    const writes = vi.spyOn(prototype, 'writev');
    const syncs = vi.spyOn(prototype, 'datasync');
    writes.mockImplementation(async (buffers, position) => {
      const written = Buffer.concat(buffers as Uint8Array[]);
      order.push([position, written.toString('hex')]);
      return { bytesWritten: written.length, buffers };
    });
    syncs.mockImplementation(async () => void order.push('sync'));
    onTestFinished(() => void vi.restoreAllMocks());
    await reopened();
    expect(order).toEqual([[0, bytes.toString('hex')], 'sync']);
  });

  it('opening a journal leaves a newer version as it is, and follows no symbolic link', async () => {
    const fixture = join(import.meta.dirname, '../../fixtures/journals/newer-version.journal');
    copyFileSync(fixture, path);
    await expect(openJournal(path)).rejects.toMatchObject({ code: 'journal-version' });
    expect(readFileSync(path)).toEqual(readFileSync(fixture));
    symlinkSync('j', join(home, 'link'));
    await expect(openJournal(join(home, 'link'))).rejects.toMatchObject({ code: 'symlink-refused' });
    mkdirSync(join(home, 'd'));
    await expect(openJournal(join(home, 'd'))).rejects.toMatchObject({ code: 'is-directory' });
  });

  it.each(['writev', 'datasync'])(
    'a failed %s ends a journal: it gives the same error for ever, and writes no more',
    async (call) => {
      let calls = 0;
      const failing = {
        writev: async (buffers: Uint8Array[]) => ({ bytesWritten: Buffer.concat(buffers).length }),
        datasync: async () => undefined,
        [call]: async () => {
          calls += 1;
          throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
        },
      } as unknown as FileHandle;
      const journal = new Journal(failing, { path, records: [], corruptAt: undefined, end: HEADER_BYTES });
      const errors = await Promise.all(
        [SAMPLE, SAMPLE, SAMPLE].map((records) => journal.append(records).catch((error: unknown) => error)),
      );
      expect(errors[0]).toMatchObject({ code: 'storage-full' });
      expect(new Set(errors).size).toBe(1);
      expect(calls).toBe(1);
    },
  );
});
