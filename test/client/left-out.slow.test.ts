/** One entry that cannot be put in its place never stops the others: it is named, and the run is partial. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';
import { KINDS, openScene, type Scene } from './support/scene.ts';

function tree(): string {
  const source = temporaryDirectory();
  mkdirSync(path.join(source, 'd'));
  for (const name of ['d/in', 'first', 'other']) writeFileSync(path.join(source, name), 'old');
  return source;
}

/** The directory becomes a file, a file becomes a directory, and something else changes. */
function change(source: string): void {
  rmSync(path.join(source, 'd'), { recursive: true });
  writeFileSync(path.join(source, 'd'), 'a file now');
  rmSync(path.join(source, 'first'));
  mkdirSync(path.join(source, 'first'));
  writeFileSync(path.join(source, 'first/in'), 'new');
  writeFileSync(path.join(source, 'other'), 'another');
}

const warningsOf = ({ events }: Scene) =>
  events.flatMap((event) => (event.type === 'warning' ? [[event.code, event.path]] : []));

describe.each(KINDS)('at a %s server', (kind) => {
  test('a push names the directory that it would lose, and carries the rest in every run', async () => {
    const scene = await openScene(kind);
    const source = tree();
    await push([source], scene.options('/t'));
    change(source);
    for (const other of ['another', 'yet another']) {
      writeFileSync(path.join(source, 'other'), other);
      scene.events.length = 0;
      const summary = await push([source], scene.options('/t'));
      expect(summary).toMatchObject({ excluded: 1, entries: 4 });
      expect(warningsOf(scene)).toEqual([['is-directory', 'd']]);
      expect(String(await scene.fetch('/t/other'))).toBe(other);
      expect(String(await scene.fetch('/t/first/in'))).toBe('new');
      expect(String(await scene.fetch('/t/d/in'))).toBe('old');
    }
  });

  test('a push with force-replace replaces a directory with all that is in it', async () => {
    const scene = await openScene(kind);
    const source = tree();
    await push([source], scene.options('/t'));
    change(source);
    const options = scene.options('/t', { forceReplace: true });
    expect(await push([source], options)).toMatchObject({ excluded: 0 });
    const back = temporaryDirectory();
    await pull(back, scene.options('/t'));
    expect(pictureOf(back)).toEqual(pictureOf(source));
    const single = path.join(source, 'other');
    expect(await push([single], scene.options('/t', { forceReplace: true }))).toMatchObject({ excluded: 0 });
    expect(String(await scene.fetch('/t'))).toBe('another');
  });

  test('a pull names the directory that it would lose, and brings the rest in every run', async () => {
    const scene = await openScene(kind);
    const source = tree();
    await push([source], scene.options('/t'));
    const here = temporaryDirectory();
    mkdirSync(path.join(here, 'other'));
    writeFileSync(path.join(here, 'other/keep'), 'mine');
    writeFileSync(path.join(here, 'd'), 'gives way');
    for (const first of ['old', 'new']) {
      writeFileSync(path.join(source, 'first'), first);
      await push([source], scene.options('/t'));
      scene.events.length = 0;
      expect(await pull(here, scene.options('/t'))).toMatchObject({ excluded: 1 });
      expect(warningsOf(scene)).toEqual([['is-directory', 'other']]);
      expect(readFileSync(path.join(here, 'first'), 'utf8')).toBe(first);
      expect(readFileSync(path.join(here, 'd/in'), 'utf8')).toBe('old');
      expect(readFileSync(path.join(here, 'other/keep'), 'utf8')).toBe('mine');
    }
    expect(await pull(here, scene.options('/t', { forceReplace: true }))).toMatchObject({ excluded: 0 });
    expect(pictureOf(here)).toEqual(pictureOf(source));
  });
});
