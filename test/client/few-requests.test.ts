/** How often a transfer has to ask: over a long line that is what a small one costs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pull } from '../../src/client/pull.ts';
import { pullStream } from '../../src/client/pull-stream.ts';
import { push } from '../../src/client/push.ts';
import { pushStream } from '../../src/client/push-stream.ts';
import { pictureOf, temporaryDirectory, writeAwkwardTree } from '../support/trees.ts';
import { openScene, type Scene } from './support/scene.ts';

/** A scene, and what is asked for in it, without ids and greetings. */
async function openWatched(): Promise<{ scene: Scene; asked: () => string[] }> {
  const scene = await openScene('disk');
  const requests: string[] = [];
  scene.proxy.onRequest(({ method, path: asked }) => {
    const route = /sessions(?:\/[\w-]{22}(.*))?$/.exec(asked);
    if (route !== null) requests.push(`${method} ${route[1] ?? ''}`.trim());
    return 'pass';
  });
  return { scene, asked: () => requests.splice(0) };
}

const PUSH = ['POST', 'PUT /manifest', 'PUT /chunks/0', 'POST /commit'];
const PULL = ['POST', 'GET /manifest', 'GET /chunks/0', 'POST /commit'];

function fileOf(text: string): string {
  const file = path.join(temporaryDirectory(), 'file');
  writeFileSync(file, text);
  return file;
}

describe('pushes', () => {
  test('a push agrees on its plan together with the manifest, whether the target is new or exists', async () => {
    const { scene, asked } = await openWatched();
    await push([fileOf('one')], scene.options('/file'));
    expect(asked()).toEqual(PUSH);
    await push([fileOf('another')], scene.options('/file'));
    expect(asked()).toEqual(PUSH);
    expect((await scene.fetch('/file'))?.toString()).toBe('another');
  });

  test('a push asks for a plan of its own where it compares contents', async () => {
    const { scene, asked } = await openWatched();
    const file = fileOf('one');
    await push([file], scene.options('/file'));
    asked();
    expect(await push([file], scene.options('/file', { checksum: true }))).toMatchObject({ bytesMoved: 0 });
    expect(asked()).toEqual(['POST', 'PUT /manifest', 'POST /digests', 'PUT /plan', 'POST /commit']);
  });

  test('a push of a stream agrees on its plan together with the manifest', async () => {
    const { scene, asked } = await openWatched();
    async function* stream(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a few bytes');
    }
    await pushStream(stream(), scene.options('/file'));
    expect(asked()).toEqual(['POST', 'PUT /manifest', 'PUT /chunks/0', 'POST /sync', 'POST /commit']);
  });

  test('a push agrees on no plan in a dry run', async () => {
    const { scene, asked } = await openWatched();
    await push([fileOf('one')], scene.options('/file', { dryRun: true }));
    expect(asked()).toEqual(['POST', 'PUT /manifest', 'DELETE']);
  });
});

describe('pulls', () => {
  test('a pull of a file to a new destination agrees on its plan together with the manifest', async () => {
    const { scene, asked } = await openWatched();
    writeFileSync(path.join(scene.root, 'file'), 'some bytes');
    await pull(path.join(temporaryDirectory(), 'new'), scene.options('/file'));
    expect(asked()).toEqual(PULL);
    await pull(`${temporaryDirectory()}/`, scene.options('/file'));
    expect(asked()).toEqual(PULL);
    await pullStream(async () => undefined, scene.options('/file'));
    expect(asked()).toEqual(PULL);
  });

  test('a pull of a tree into an empty directory needs no plan, and keeps the mode of that directory', async () => {
    const { scene, asked } = await openWatched();
    mkdirSync(path.join(scene.root, 'tree'), { mode: 0o751 });
    writeAwkwardTree(path.join(scene.root, 'tree'));
    const back = temporaryDirectory();
    await pull(back, scene.options('/tree'));
    expect(asked()).not.toContain('PUT /plan');
    await pull(back, scene.options('/tree'));
    expect(asked()).toEqual(['POST', 'GET /manifest', 'PUT /plan', 'POST /commit']);
    const { '': own, ...rest } = pictureOf(back);
    const { '': sent = '', ...expected } = pictureOf(path.join(scene.root, 'tree'));
    expect(rest).toEqual(expected);
    expect(own).toBe(sent.replace('751', '700'));
  });

  test('a pull asks for a plan of its own where the destination has entries already', async () => {
    const { scene, asked } = await openWatched();
    writeFileSync(path.join(scene.root, 'file'), 'some bytes');
    const there = temporaryDirectory();
    writeFileSync(path.join(there, 'other'), '');
    await pull(there, scene.options('/file'));
    expect(asked()).toEqual(['POST', 'GET /manifest', 'PUT /plan', 'GET /chunks/0', 'POST /commit']);
    await pull(path.join(there, 'file'), scene.options('/file'));
    expect(asked()).toEqual(['POST', 'GET /manifest', 'PUT /plan', 'POST /commit']);
  });
});
