import { appendFileSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { push } from '../../src/client/push.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { codeOf, openScene } from './support/scene.ts';

/** Pushes a tree in which something happens after its scan, and before its files are read. */
async function pushWhile(
  files: Record<string, number>,
  happens: (source: string) => void,
): Promise<{ warned: string[]; there: string; before: Map<string, Buffer>; excluded: number }> {
  const scene = await openScene();
  const source = temporaryDirectory();
  const before = new Map<string, Buffer>();
  for (const [name, size] of Object.entries(files)) {
    const at = path.join(source, name);
    mkdirSync(path.dirname(at), { recursive: true });
    writeRandomFile(at, size);
    before.set(name, readFileSync(at));
  }
  const { excluded } = await push(
    [source],
    scene.options('/tree', {
      report: (event) => {
        scene.events.push(event);
        if (event.type === 'phase' && event.phase === 'comparing') happens(source);
      },
    }),
  );
  const warned = scene.events.flatMap((event) => (event.type === 'warning' ? [event.path] : []));
  return { warned, there: path.join(scene.root, 'tree'), before, excluded };
}

test.each([
  ['small', 700],
  ['of several chunks', 300_000],
  ['of many chunks', 900_000],
])('a log that grows while a push runs arrives as it was when it was found: one %s', async (_how, size) => {
  const { there, before, warned, excluded } = await pushWhile({ log: size, other: 10 }, (source) =>
    appendFileSync(path.join(source, 'log'), 'one line more\n'),
  );
  expect([warned, excluded]).toEqual([[], 0]);
  expect(readFileSync(path.join(there, 'log')).equals(before.get('log')!)).toBe(true);
});

test('a small file that is rewritten in place arrives as it was when it was found', async () => {
  const { there, before, excluded } = await pushWhile({ file: 200_000 }, (source) =>
    writeFileSync(path.join(source, 'file'), 'short'),
  );
  expect(excluded).toBe(0);
  expect(readFileSync(path.join(there, 'file')).equals(before.get('file')!)).toBe(true);
});

test('a small file that is gone when a push reads it is named, and not carried from memory', async () => {
  const { warned } = await pushWhile({ 'd/file': 700, 'other': 10 }, (source) =>
    rmSync(path.join(source, 'd/file')),
  );
  expect(warned).toEqual(['d/file']);
});

test('a file that is old or large is not kept in memory, and named when it changes during a push', async () => {
  const { warned } = await pushWhile({ large: 2 * 1024 * 1024, old: 700 }, (source) => {
    appendFileSync(path.join(source, 'large'), 'x');
  });
  expect(warned).toEqual(['large']);
  const scene = await openScene();
  const source = temporaryDirectory();
  writeFileSync(path.join(source, 'old'), 'old');
  utimesSync(path.join(source, 'old'), 1, 1);
  const report = (event: { type: string; phase?: string }): void => {
    if (event.phase === 'comparing') appendFileSync(path.join(source, 'old'), 'x');
  };
  expect(await push([source], scene.options('/tree', { report }))).toMatchObject({ excluded: 1 });
});

test('a push keeps no more than 256 new files in memory, and names another one that changes', async () => {
  const names = Array.from({ length: 300 }, (_, index) => `f${String(index).padStart(3, '0')}`);
  const { warned, excluded } = await pushWhile(
    Object.fromEntries(names.map((name) => [name, 10])),
    (source) => {
      for (const name of ['f000', 'f299']) appendFileSync(path.join(source, name), 'one line more\n');
    },
  );
  expect([warned, excluded]).toEqual([['f299'], 1]);
});

test('a push of one file that changes before it was read fails, and publishes no part of it', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 2 * 1024 * 1024);
  const report = (event: { type: string; phase?: string }): void => {
    if (event.phase === 'comparing') appendFileSync(file, 'x');
  };
  expect(await codeOf(push([file], scene.options('/file', { report })))).toBe('source-changed');
  expect(await scene.fetch('/file')).toBeUndefined();
  expect(await push([file], scene.options('/file'))).toMatchObject({ excluded: 0 });
});
