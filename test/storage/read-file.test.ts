/** What is read of files: memory of its own, and the bytes of one version. */
import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDirectory } from '../../src/base/directory.ts';
import type { FileStat, StatAt } from '../../src/base/file-stat.ts';
import { identityOf, unsettledMs } from '../../src/storage/disk/tree/found-entry.ts';
import { FileReader } from '../../src/storage/disk/tree/read-file.ts';
import { codeOf, collect, directory, file, putTree } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { diskPlace } from './local-disk-fixtures.ts';

/** More bytes than several slabs have, of all small sizes and some larger ones. */
const SIZES = Array.from({ length: 400 }, (_, n) => (n % 50 === 0 ? 100_000 : (n * 977) % 9000));

test.each([true, false])(
  'small files that are read together keep their bytes (native: %s)',
  async (useNative) => {
    const store = await diskPlace().open({ useNative });
    const files = SIZES.map((sizeBytes, n) => file(`f${n}`, sizeBytes));
    await putTree(store, 't', [directory(''), ...files]);
    const kept = await Promise.all(
      files.map(async ({ entry: { path, sizeBytes } }) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of store.read(`t/${path}`, { from: 0, to: sizeBytes })) pieces.push(piece);
        return pieces;
      }),
    );
    for (const [index, { bytes }] of files.entries())
      expect(Buffer.concat(kept[index]!).equals(bytes)).toBe(true);
  },
);

const TWO_SECONDS_NS = 2_000_000_000n;

/** Times as FAT keeps them. */
const coarse: StatAt = (fd) => {
  const { mtimeNs, ctimeNs, ...stat } = fstatSync(fd, { bigint: true });
  const even = (ns: bigint): bigint => ns - (ns % TWO_SECONDS_NS);
  return { ...stat, mtimeNs: even(mtimeNs), ctimeNs: even(ctimeNs) };
};

/** As the kernel may stamp two writes that are a hundredth of a second apart. */
const inSteps: StatAt = (fd) => {
  const { mtimeNs, ctimeNs, ...stat } = fstatSync(fd, { bigint: true });
  const step = (ns: bigint): bigint => ns - (ns % 10_000_000n) + 1n;
  return { ...stat, mtimeNs: step(mtimeNs), ctimeNs: step(ctimeNs) };
};

test.each([
  ['keeps every other second', coarse],
  ['counts hundredths of a second', inSteps],
])('two reads of a file never have bytes of two versions, on a file system that %s', async (_how, statAt) => {
  const home = temporaryDirectory();
  const place = join(home, 'f');
  const root = openDirectory(home);
  const reader = new FileReader(root, () => ({ statAt }));
  const identityNow = (): string => {
    const fd = openSync(place, 'r');
    const found = statAt(fd, '');
    closeSync(fd);
    return identityOf(found!);
  };
  for (let round = 0; round < 3; round += 1) {
    writeFileSync(place, 'old'.repeat(10));
    const identity = identityNow();
    const halves: string[] = [];
    const ended = await codeOf(async () => {
      for (const from of [0, 15]) {
        halves.push((await collect(reader.read('f', { from, to: from + 15 }, identity))).toString());
        writeFileSync(place, 'new'.repeat(10));
      }
    });
    expect([ended, halves]).toEqual(['source-changed', ['old'.repeat(5)]]);
  }
  reader.close();
  root.close();
});

describe('a small file that is read at once', () => {
  const calm: StatAt = (fd) => ({ ...fstatSync(fd, { bigint: true }), ctimeNs: 1n });

  function place(bytes: string) {
    const home = temporaryDirectory();
    writeFileSync(join(home, 'f'), bytes);
    const root = openDirectory(home);
    let statAt = calm;
    const reader = new FileReader(root, () => ({ statAt }));
    onTestFinished(() => {
      reader.close();
      root.close();
    });
    const fd = openSync(join(home, 'f'), 'r');
    const identity = identityOf(calm(fd, '')!);
    closeSync(fd);
    const into = Buffer.alloc(100);
    const readNow = (from: number, to: number, room = 100): string | undefined =>
      reader.readNow('f', { from, to }, identity, into.subarray(0, room))
        ? into.subarray(0, to - from).toString()
        : undefined;
    return { home, readNow, setStat: (other: StatAt) => void (statAt = other) };
  }

  test('a small file that is read at once gives the bytes of any of its ranges', () => {
    const { readNow } = place('0123456789');
    expect([readNow(0, 10), readNow(0, 4), readNow(4, 10), readNow(3, 3)]).toEqual([
      '0123456789',
      '0123',
      '456789',
      '',
    ]);
  });

  test('a file is not read at once into memory without room for a byte too many', () => {
    const { readNow } = place('0123456789');
    expect([readNow(0, 10, 10), readNow(0, 10, 11)]).toEqual([undefined, '0123456789']);
  });

  test.each([
    ['has changed', (home: string) => writeFileSync(join(home, 'f'), 'abcdefghijk')],
    ['has gone', (home: string) => rmSync(join(home, 'f'))],
    [
      'has become a symbolic link',
      (home: string) => {
        renameSync(join(home, 'f'), join(home, 'g'));
        symlinkSync('g', join(home, 'f'));
      },
    ],
  ])('a small file that %s since it was found is not read at once', (_how, change) => {
    const { home, readNow } = place('0123456789');
    change(home);
    expect(readNow(0, 10)).toBeUndefined();
  });

  test('a file too new to be told from a later version is not read at once', () => {
    const { readNow, setStat } = place('0123456789');
    setStat((fd) => ({ ...calm(fd, '')!, ctimeNs: BigInt(Date.now()) * 1_000_000n + 1n }));
    expect(readNow(0, 10)).toBeUndefined();
  });

  test.each([
    ['longer', 'x'],
    ['of another time', ''],
  ])('a file that is %s after its bytes were read at once gives none of them', (_how, more) => {
    const { home, readNow, setStat } = place('0123456789');
    let looks = 0;
    setStat((fd) => {
      looks += 1;
      if (looks === 1) return calm(fd, '');
      if (more !== '') appendFileSync(join(home, 'f'), more);
      return { ...calm(fd, '')!, mtimeNs: 7n };
    });
    expect([readNow(0, 10), looks]).toEqual([undefined, 2]);
  });

  test('a file read at once leaves no descriptor open, also where the read fails', () => {
    const { home, readNow } = place('0123456789');
    readNow(0, 10);
    const before = readdirSync('/proc/self/fd').length;
    readNow(0, 10);
    appendFileSync(join(home, 'f'), 'x');
    readNow(0, 10);
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});

test('a file is read without a wait when its last change is long ago or lies in the future', () => {
  const at = (ctimeMs: number): Pick<FileStat, 'ctimeNs'> => ({ ctimeNs: BigInt(ctimeMs) * 1_000_000n });
  expect(unsettledMs(at(1_000_001), 1_000_031)).toBe(0);
  expect(unsettledMs(at(1_000_001), 1_000_006)).toBe(15);
  expect(unsettledMs(at(1_000_000), 1_001_000)).toBe(1020);
  expect(unsettledMs(at(1_000_000), 1_002_020)).toBe(0);
  expect(unsettledMs(at(9_000_000), 1_000_000)).toBe(0);
});
