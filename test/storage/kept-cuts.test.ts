import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CutSubject } from '../../src/manifest/kept-cuts-format.ts';
import { KEPT_FROM_BYTES, openKeptCuts } from '../../src/storage/state/kept-cuts.ts';
import { cutsOfSize } from '../support/cuts-of-size.ts';
import { temporaryDirectory } from '../support/trees.ts';

const BLOCKS = Array.from({ length: 64 }, () => KEPT_FROM_BYTES / 64);
const subjectOf = (name: string): CutSubject => ({ name, digest: 'xxh64', sizeBytes: KEPT_FROM_BYTES });
const cutsOf = (name: string) => cutsOfSize('xxh64', BLOCKS, name);

describe('kept cuts', () => {
  it('cuts that are kept are found by every later run, by the name they have', async () => {
    const directory = path.join(temporaryDirectory(), 'cuts');
    await openKeptCuts(directory).keep(subjectOf('a'), cutsOf('a'));
    await openKeptCuts(directory).keep(subjectOf('b'), cutsOf('b'));
    const kept = openKeptCuts(directory);
    for (const name of ['a', 'b']) {
      const found = await kept.find(subjectOf(name));
      expect(found?.recipe.blocks.ids.equals(cutsOf(name).recipe.blocks.ids)).toBe(true);
    }
    expect(await kept.find(subjectOf('c'))).toBeUndefined();
    await kept.clear();
    expect([existsSync(directory), await kept.find(subjectOf('a'))]).toEqual([false, undefined]);
    await kept.keep(subjectOf('a'), cutsOf('a'));
    expect(await kept.find(subjectOf('a'))).toBeDefined();
  });

  it('kept cuts make room by the oldest ones: those of earlier runs, then their own', async () => {
    const directory = path.join(temporaryDirectory(), 'cuts');
    await openKeptCuts(directory).keep(subjectOf('first'), cutsOf('first'));
    const [file] = readdirSync(directory);
    utimesSync(path.join(directory, file!), 1, 1);
    const kept = openKeptCuts(directory, { bytes: 10_000, files: 3 });
    for (const name of ['second', 'third', 'fourth']) await kept.keep(subjectOf(name), cutsOf(name));
    const names = ['first', 'second', 'third', 'fourth'];
    const found = await Promise.all(names.map((name) => kept.find(subjectOf(name))));
    expect(found.map((cuts) => cuts !== undefined)).toEqual([false, true, true, true]);
    const few = openKeptCuts(directory, { bytes: 1000, files: 3 });
    await few.keep(subjectOf('fifth'), cutsOf('fifth'));
    expect(readdirSync(directory)).toHaveLength(1);
    expect(await few.find(subjectOf('fifth'))).toBeDefined();
  });

  it('cuts of a small file are not kept', async () => {
    const directory = path.join(temporaryDirectory(), 'cuts');
    const [, ...blocks] = BLOCKS;
    const sizeBytes = KEPT_FROM_BYTES - BLOCKS[0]!;
    await openKeptCuts(directory).keep({ ...subjectOf('a'), sizeBytes }, cutsOfSize('xxh64', blocks));
    expect(existsSync(directory)).toBe(false);
  });

  it('cuts are not kept where their directory cannot be made, and not found where their file is damaged', async () => {
    const place = temporaryDirectory();
    writeFileSync(path.join(place, 'file'), '');
    const nowhere = openKeptCuts(path.join(place, 'file', 'cuts'));
    await nowhere.keep(subjectOf('a'), cutsOf('a'));
    expect(await nowhere.find(subjectOf('a'))).toBeUndefined();
    await nowhere.clear();
    const kept = openKeptCuts(path.join(place, 'cuts'));
    await kept.keep(subjectOf('a'), cutsOf('a'));
    const [file] = readdirSync(path.join(place, 'cuts'));
    writeFileSync(path.join(place, 'cuts', file!), 'damage');
    expect(await kept.find(subjectOf('a'))).toBeUndefined();
  });
});
