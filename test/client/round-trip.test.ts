import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { list } from '../../src/client/list.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { verify } from '../../src/client/verify.ts';
import { pictureOf, temporaryDirectory, writeAwkwardTree, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, KINDS, openScene } from './support/scene.ts';

const EXACT = { preserveModes: true };

/** An awkward tree, with modes that are carried on demand only. */
function writeOpenTree(source: string): void {
  writeAwkwardTree(source);
  mkdirSync(path.join(source, 'setgid'));
  chmodSync(path.join(source, 'setgid'), 0o2777);
  writeFileSync(path.join(source, 'setgid/for-all'), 'all');
  chmodSync(path.join(source, 'setgid/for-all'), 0o666);
}

describe.each(KINDS)('at a %s server', (kind) => {
  test('an awkward tree comes back as it was, and nothing is left behind', async () => {
    const scene = await openScene(kind);
    const source = temporaryDirectory();
    const back = path.join(temporaryDirectory(), 'back');
    writeOpenTree(source);
    const pushed = await push([source], scene.options('/some/where', EXACT));
    expect(pushed).toMatchObject({ direction: 'push', excluded: 0, bytesMoved: pushed.bytesTotal });
    const pulled = await pull(back, scene.options('/some/where', EXACT));
    expect(pulled).toMatchObject({ direction: 'pull', digest: pushed.digest, bytesMoved: pushed.bytesTotal });
    expect(pictureOf(back)).toEqual(pictureOf(source));
    expect(readdirSync(back)).not.toContain('.cairn');
    expect(readdirSync(path.join(scene.stateHome, 'transfers'))).toEqual([]);
    const moved = scene.events.filter(({ type }) => type === 'bytes' || type === 'lost');
    expect(moved.length).toBeGreaterThan(0);
  });

  test('a second push moves nothing, a changed file alone is moved, and a mode alone is set', async () => {
    const scene = await openScene(kind);
    const source = temporaryDirectory();
    writeOpenTree(source);
    const first = await push([source], scene.options('/tree', EXACT));
    expect(await push([source], scene.options('/tree', EXACT))).toMatchObject({
      bytesMoved: 0,
      bytesSkipped: first.bytesTotal,
    });
    writeFileSync(path.join(source, 'plain.txt'), 'changed\n');
    expect(await push([source], scene.options('/tree', EXACT))).toMatchObject({ bytesMoved: 8 });
    chmodSync(path.join(source, 'plain.txt'), 0o640);
    expect(await push([source], scene.options('/tree', EXACT))).toMatchObject({ bytesMoved: 0 });
    const back = temporaryDirectory();
    await pull(back, scene.options('/tree', EXACT));
    expect(pictureOf(back)).toEqual(pictureOf(source));
    expect(await pull(back, scene.options('/tree', EXACT))).toMatchObject({ bytesMoved: 0 });
    expect(readdirSync(back)).not.toContain('.cairn');
  });

  test('--checksum compares contents in both directions', async () => {
    const scene = await openScene(kind);
    const source = temporaryDirectory();
    const file = path.join(source, 'file');
    writeFileSync(file, 'aaaa');
    writeFileSync(path.join(source, 'other'), 'unchanged');
    utimesSync(file, 1000, 1000);
    await push([source], scene.options('/tree'));
    writeFileSync(file, 'bbbb');
    utimesSync(file, 1000, 1000);
    utimesSync(path.join(source, 'other'), 2000, 2000);
    const checked = await push([source], scene.options('/tree', { checksum: true }));
    expect(checked).toMatchObject({ bytesMoved: 4, bytesSkipped: 9 });
    expect((await scene.fetch('/tree/file'))?.toString()).toBe('bbbb');
    writeFileSync(file, 'cccc');
    utimesSync(file, 1000, 1000);
    utimesSync(path.join(source, 'other'), 3000, 3000);
    const back = await pull(source, scene.options('/tree', { checksum: true }));
    expect(back).toMatchObject({ bytesMoved: 4, bytesSkipped: 9 });
    expect(await push([source], scene.options('/tree'))).toMatchObject({ bytesMoved: 0 });
  });

  test('a dry run moves nothing and leaves nothing, in both directions', async () => {
    const scene = await openScene(kind);
    const source = temporaryDirectory();
    writeFileSync(path.join(source, 'file'), 'content');
    const dry = await push([source], scene.options('/tree', { dryRun: true }));
    expect(dry).toMatchObject({ bytesTotal: 7, bytesMoved: 0, digest: null });
    expect(await scene.fetch('/tree/file')).toBeUndefined();
    await push([source], scene.options('/tree'));
    const destination = path.join(temporaryDirectory(), 'new');
    const dryPull = await pull(destination, scene.options('/tree', { dryRun: true }));
    expect(dryPull).toMatchObject({ bytesTotal: 7, bytesMoved: 0, digest: null });
    expect(readdirSync(path.dirname(destination))).toEqual([]);
  });

  test('a file lands exactly at a URL or path, and under its own name where that ends with a slash', async () => {
    const scene = await openScene(kind);
    const source = temporaryDirectory();
    const file = path.join(source, 'näme 1%.bin');
    writeRandomFile(file, 3 * CHUNK + 5);
    await push([file], scene.options('/below/'));
    await push([file], scene.options('/exactly'));
    const below = await scene.fetch(`/below/${encodeURIComponent('näme 1%.bin')}`);
    expect(below?.length).toBe(3 * CHUNK + 5);
    expect(await scene.fetch('/exactly')).toEqual(below);
    const into = temporaryDirectory();
    await pull(into, scene.options('/exactly'));
    await pull(`${into}/deep/er/`, scene.options('/exactly'));
    await pull(path.join(into, 'new'), scene.options('/exactly'));
    expect(Object.keys(pictureOf(into)).toSorted()).toEqual([
      '',
      'deep',
      'deep/er',
      'deep/er/exactly',
      'exactly',
      'new',
    ]);
  });

  test('several sources land side by side, links as links, and a link to a directory is followed', async () => {
    const scene = await openScene(kind);
    const source = temporaryDirectory();
    writeFileSync(path.join(source, 'b'), 'b');
    mkdirSync(path.join(source, 'a/deep'), { recursive: true });
    writeFileSync(path.join(source, 'a/deep/file'), 'deep');
    symlinkSync('nowhere', path.join(source, 'link'));
    symlinkSync('a', path.join(source, 'dir-link'));
    const names = ['b', 'a', 'link', 'dir-link'].map((name) => path.join(source, name));
    await push(names, scene.options('/'));
    const back = temporaryDirectory();
    await pull(back, scene.options('/'));
    const picture = pictureOf(back);
    expect(picture['link']).toContain('→ nowhere');
    expect(picture['dir-link/deep/file']).toBe(picture['a/deep/file']);
    expect(picture['b']).toContain('file');
    expect(await codeOf(push([names[0]!, path.join(source, 'a/../b')], scene.options('/')))).toBe('usage');
  });

  test('empty files and empty directories are transfers, too', async () => {
    const scene = await openScene(kind);
    const source = temporaryDirectory();
    writeFileSync(path.join(source, 'empty'), '');
    mkdirSync(path.join(source, 'nothing'));
    expect(await push([path.join(source, 'empty')], scene.options('/e'))).toMatchObject({ bytesTotal: 0 });
    await push([path.join(source, 'nothing')], scene.options('/n'));
    expect((await scene.fetch('/e'))?.length).toBe(0);
    const back = path.join(source, 'back');
    await pull(back, scene.options('/n'));
    expect(readdirSync(back)).toEqual([]);
  });

  test('ls lists a tree, and verify agrees with it, or names what differs and why', async () => {
    const scene = await openScene(kind);
    const source = temporaryDirectory();
    writeAwkwardTree(source);
    await push([source], scene.options('/tree'));
    const flat = await list(scene.options('/tree'), { recursive: false });
    expect(Array.from(flat.entries, (entry) => entry.path)).toContain('many');
    expect(Array.from(flat.entries, (entry) => entry.path)).not.toContain('many/1');
    const deep = await list(scene.options('/tree'), { recursive: true });
    expect(await verify(source, scene.options('/tree'))).toMatchObject({
      equal: deep.entries.length,
      differing: [],
    });

    rmSync(path.join(source, 'link'));
    symlinkSync('elsewhere', path.join(source, 'link'));
    rmSync(path.join(source, 'empty'));
    writeFileSync(path.join(source, 'new'), 'x');
    chmodSync(path.join(source, 'script.sh'), 0o700);
    writeFileSync(path.join(source, 'plain.txt'), 'PLAIN\n');
    const { differing } = await verify(source, scene.options('/tree'));
    const why = (name: string): string[] =>
      differing.filter((one) => one.path === name).map((one) => one.why);
    expect(why('link')).toContain('link');
    expect(why('empty')).toEqual(['missing-local']);
    expect(why('new')).toEqual(['missing-remote']);
    expect(why('script.sh')).toEqual(['mode']);
    expect(why('plain.txt')).toEqual(['mtime', 'content']);
  });
});
