import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CheckpointLog, openCheckpointLog } from '../../src/checkpoint/checkpoint-log.ts';
import type { Json } from '../../src/checkpoint/checkpoint-records.ts';
import { openJournal } from '../../src/checkpoint/journal.ts';
import { FIXTURE_BINDING, fixtureDigest, journalFixtures } from './journal-fixtures.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures/journals');
const BINDING = FIXTURE_BINDING;

let home: string;
let path: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-checkpoint-'));
  path = join(home, 'checkpoint.journal');
});
afterEach(() => rmSync(home, { recursive: true }));

function said(log: CheckpointLog): unknown {
  const digests = [...log.digests.chunks.values()].map((chunk) => [
    chunk,
    [...(log.digests.get(chunk) ?? [])],
  ]);
  return { digests, partialChunks: [...log.partialChunks], epoch: log.epoch, note: log.note };
}

async function reopened(): Promise<unknown> {
  const log = await openCheckpointLog(path, BINDING);
  await log.close();
  return said(log);
}

describe('checkpoint logs', () => {
  it('a checkpoint log says after a restart what it said before', async () => {
    const digest = fc.uint8Array({ minLength: 8, maxLength: 8 });
    const group = fc.record(
      {
        chunks: fc.array(fc.tuple(fc.oneof(fc.nat(20), fc.constant(2 ** 32 - 1)), digest), { maxLength: 5 }),
        forget: fc.array(fc.nat(20), { maxLength: 3 }),
        epoch: fc.nat(),
        partialChunks: fc
          .array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 2 ** 26 })), { maxLength: 5 })
          .map((pairs) => new Map(pairs)),
        note: fc.dictionary(fc.string({ maxLength: 3 }), fc.jsonValue()) as fc.Arbitrary<
          Record<string, Json>
        >,
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(group, { maxLength: 5 }), async (groups) => {
        rmSync(path, { force: true });
        const log = await openCheckpointLog(path, BINDING);
        const model = new Map<number, number[]>();
        let partialChunks = new Map<number, number>();
        for (const each of groups) {
          await log.append(each);
          for (const chunk of each.forget ?? []) model.delete(chunk);
          for (const [chunk, bytes] of each.chunks ?? []) model.set(chunk, [...bytes]);
          const named = [...(each.forget ?? []), ...(each.chunks ?? []).map(([chunk]) => chunk)];
          for (const chunk of named) partialChunks.delete(chunk);
          if (each.partialChunks !== undefined)
            partialChunks = new Map([...each.partialChunks].filter(([chunk]) => !model.has(chunk)));
        }
        await log.close();
        expect(said(log)).toMatchObject({ digests: [...model].toSorted(([a], [b]) => a - b) });
        expect(said(log)).toMatchObject({ partialChunks: [...partialChunks] });
        expect(said(log)).toMatchObject({
          epoch: groups.findLast((each) => each.epoch !== undefined)?.epoch ?? 0,
        });
        expect(JSON.stringify(await reopened())).toEqual(JSON.stringify(said(log)));
      }),
      { numRuns: 50 },
    );
  });

  it('a checkpoint log says nothing that is not durable yet', async () => {
    const log = await openCheckpointLog(path, BINDING);
    const partialChunks = new Map([[4, 100]]);
    const done = log.append({ chunks: [[3, fixtureDigest(3)]], partialChunks, epoch: 4, note: { a: 1 } });
    expect(said(log)).toEqual({ digests: [], partialChunks: [], epoch: 0, note: {} });
    await done;
    expect(log.digests.has(3)).toBe(true);
    await log.close();
    await expect(log.append({ chunks: [[4, fixtureDigest(4)]], epoch: 5 })).rejects.toMatchObject({
      name: 'CairnError',
    });
    expect(log.digests.has(4)).toBe(false);
    expect(log.epoch).toBe(4);
  });

  it('a checkpoint log takes 100,000 chunks in one group', async () => {
    const log = await openCheckpointLog(path, BINDING);
    await log.append({
      chunks: Array.from({ length: 100_000 }, (_, chunk) => [chunk, fixtureDigest(chunk % 200)]),
    });
    await log.close();
    const again = await openCheckpointLog(path, BINDING);
    expect(again.digests.chunks.runs()).toEqual([0, 100_000]);
    expect(again.digests.get(99_999)).toEqual(fixtureDigest(199));
    await again.append({ forget: Array.from({ length: 99_999 }, (_, chunk) => chunk) });
    await again.close();
    expect(again.digests.chunks.runs()).toEqual([99_999, 1]);
  });

  it('a checkpoint log refuses what cannot be recorded, and still works', async () => {
    const log = await openCheckpointLog(path, BINDING);
    const bad = [
      { epoch: -1 },
      { forget: [2 ** 32] },
      { chunks: [[0, new Uint8Array(7)]] as [number, Uint8Array][] },
      { partialChunks: new Map([[0, 0]]) },
      { partialChunks: new Map([[0, 2 ** 26 + 1]]) },
      { partialChunks: new Map([[2 ** 32, 1]]) },
      { partialChunks: new Map(Array.from({ length: 1025 }, (_, chunk) => [chunk, 1])) },
    ];
    for (const group of bad) await expect(log.append(group)).rejects.toMatchObject({ code: 'internal' });
    await log.append({ epoch: 1 });
    await log.close();
    expect(await reopened()).toMatchObject({ epoch: 1 });
  });

  it('a checkpoint log of another manifest is refused, and left as it is', async () => {
    await reopened();
    const before = readFileSync(path);
    for (const other of [
      { ...BINDING, manifestId: 'cd'.repeat(32) },
      { ...BINDING, digestLengthBytes: 32 },
    ]) {
      await expect(openCheckpointLog(path, other)).rejects.toMatchObject({ code: 'journal-corrupt' });
    }
    expect(readFileSync(path)).toEqual(before);
  });

  it.each([
    ['journal-corrupt', 2, Buffer.from('00000001', 'hex')],
    ['journal-corrupt', 3, Buffer.from('00')],
    ['journal-corrupt', 3, Buffer.from('00000001010000000000', 'hex')],
    ['journal-corrupt', 4, Buffer.from('01', 'hex')],
    ['journal-corrupt', 5, Buffer.from('[]')],
    ['journal-corrupt', 6, Buffer.from('00000001000000000001', 'hex')],
    ['journal-corrupt', 6, Buffer.from('00000001000000000001000000000000', 'hex')],
    ['journal-corrupt', 6, Buffer.from('00000001000000000001000004000001', 'hex')],
    ['journal-corrupt', 6, Buffer.from('00000001010000000000000000000001', 'hex')],
    ['journal-corrupt', 6, Buffer.concat([Buffer.from('00000401', 'hex'), Buffer.alloc(1025 * 12, 1)])],
    ['journal-version', 7, Buffer.alloc(0)],
    ['journal-version', 77, Buffer.alloc(0)],
  ])(
    'a checkpoint log answers %s to a valid record of kind %i that makes no sense',
    async (code, kind, payload) => {
      await reopened();
      const journal = await openJournal(path);
      await journal.append([{ kind, payload }]);
      await journal.close();
      await expect(openCheckpointLog(path, BINDING)).rejects.toMatchObject({ code });
    },
  );

  it('a checkpoint log without its binding is refused as corrupt', async () => {
    const journal = await openJournal(path);
    await journal.append([{ kind: 5, payload: Buffer.from('{}') }]);
    await journal.close();
    await expect(openCheckpointLog(path, BINDING)).rejects.toMatchObject({ code: 'journal-corrupt' });
  });

  it('a checkpoint log reports damage, and goes on with what came before it', async () => {
    const damaged = Buffer.from(journalFixtures()['whole.journal'] as Buffer);
    damaged.writeUInt8(0xff, 30);
    writeFileSync(path, damaged);
    const log = await openCheckpointLog(path, BINDING);
    expect(log.corruptAt).toBe(16);
    expect(said(log)).toEqual({ digests: [], partialChunks: [], epoch: 0, note: {} });
    await log.close();
    expect(await reopened()).toEqual({ digests: [], partialChunks: [], epoch: 0, note: {} });
  });
});

describe('fixtures/journals', () => {
  it.each(Object.entries(journalFixtures()))(
    'the fixture %s is what this code would write',
    (name, bytes) => {
      const file = join(FIXTURES, name);
      if (process.env['CAIRN_WRITE_FIXTURES'] !== undefined && !existsSync(file)) {
        mkdirSync(FIXTURES, { recursive: true });
        writeFileSync(file, bytes);
      }
      expect(readFileSync(file)).toEqual(bytes);
    },
  );

  const kept = [0, 2, 300].map((chunk) => [chunk, [...fixtureDigest(chunk % 200)]]);

  it('the fixture whole.journal is read whole', async () => {
    copyFileSync(join(FIXTURES, 'whole.journal'), path);
    expect(await reopened()).toEqual({
      digests: kept,
      partialChunks: [],
      epoch: 2,
      note: { state: 'committing', source: { inode: '12' } },
    });
    expect(readFileSync(path)).toEqual(readFileSync(join(FIXTURES, 'whole.journal')));
  });

  it('the fixture torn.journal loses the record that was being written, and nothing else', async () => {
    copyFileSync(join(FIXTURES, 'torn.journal'), path);
    expect(await reopened()).toEqual({
      digests: kept,
      partialChunks: [],
      epoch: 2,
      note: { state: 'open', source: { inode: '12' } },
    });
  });

  it('the fixture partial.journal says which chunks are partial besides those that are whole', async () => {
    copyFileSync(join(FIXTURES, 'partial.journal'), path);
    const digests = [0, 2].map((chunk) => [chunk, [...fixtureDigest(chunk)]]);
    const partialChunks = [
      [1, 70_000],
      [5, 8_388_608],
    ];
    expect(await reopened()).toEqual({ digests, partialChunks, epoch: 1, note: {} });
    expect(readFileSync(path)).toEqual(readFileSync(join(FIXTURES, 'partial.journal')));
  });

  it('the fixture newer-version.journal is refused, and left as it is', async () => {
    copyFileSync(join(FIXTURES, 'newer-version.journal'), path);
    await expect(openCheckpointLog(path, BINDING)).rejects.toMatchObject({ code: 'journal-version' });
    expect(readFileSync(path)).toEqual(readFileSync(join(FIXTURES, 'newer-version.journal')));
  });
});
