/** `rm`, `mv` and `mkdir` of what is on a server, over both kinds of stores. */
import { mkdirSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { push } from '../../src/client/push.ts';
import { makeDirectory, move, remove } from '../../src/client/change-published.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { json, problem, setTrap, type Trap } from '../hostile/support/liar.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { codeOf, KINDS, openScene, TOKEN, type Scene } from './support/scene.ts';

async function sceneWithTree(kind: (typeof KINDS)[number]): Promise<Scene> {
  const scene = await openScene(kind);
  const source = temporaryDirectory();
  mkdirSync(path.join(source, 'd/deep'), { recursive: true });
  mkdirSync(path.join(source, 'empty'));
  for (const name of ['a', 'b', 'd/f', 'd/deep/g']) writeFileSync(path.join(source, name), name);
  await push([source], scene.options('/t'));
  return scene;
}

const text = async (scene: Scene, url: string): Promise<string | undefined> =>
  (await scene.fetch(url))?.toString();

describe.each(KINDS)('changes at a %s server', (kind) => {
  test('rm removes a file and an empty directory, and a full one only recursively', async () => {
    const scene = await sceneWithTree(kind);
    const rm = (url: string, recursive = false): Promise<void> => remove(scene.options(url), { recursive });
    await rm('/t/a');
    await rm('/t/empty');
    expect(await text(scene, '/t/a')).toBeUndefined();
    expect(await codeOf(rm('/t/d'))).toBe('is-directory');
    expect(await text(scene, '/t/d/deep/g')).toBe('d/deep/g');
    await rm('/t/d', true);
    expect(await text(scene, '/t/d/f')).toBeUndefined();
    for (const url of ['/t/a', '/t/d', '/t/none/x']) expect(await codeOf(rm(url))).toBe('not-found');
    expect(await text(scene, '/t/b')).toBe('b');
  });

  test('mv renames, moves into a directory, and replaces only a file, and only where that is asked', async () => {
    const scene = await sceneWithTree(kind);
    const mv = (from: string, to: string, replace = false): Promise<string> =>
      move(scene.options(from), scene.url(to), { replace });
    await mv('/t/a', '/t/c');
    expect([await text(scene, '/t/a'), await text(scene, '/t/c')]).toEqual([undefined, 'a']);
    await mv('/t/c', '/t/d');
    expect(await text(scene, '/t/d/c')).toBe('a');
    expect(await codeOf(mv('/t/d/c', '/t/b'))).toBe('already-exists');
    await mv('/t/d/c', '/t/b', true);
    expect(await text(scene, '/t/b')).toBe('a');
    await mv('/t/d', '/t/empty/');
    expect(await text(scene, '/t/empty/d/deep/g')).toBe('d/deep/g');
    expect(await codeOf(mv('/t/none', '/t/x'))).toBe('not-found');
    expect(await codeOf(mv('/t/b', '/t/none/x'))).toBe('not-found');
    expect(await codeOf(mv('/t/empty', '/t/empty/d/x'))).toBe('usage');
    expect(await codeOf(move(scene.options('/t/b'), new URL('http://other/x'), { replace: false }))).toBe(
      'usage',
    );
  });

  test('mkdir makes one directory, and with parents what is missing above', async () => {
    const scene = await sceneWithTree(kind);
    const mkdir = (url: string, parents = false): Promise<void> =>
      makeDirectory(scene.options(url), { parents });
    await mkdir('/t/new');
    expect(await codeOf(mkdir('/t/new'))).toBe('already-exists');
    expect(await codeOf(mkdir('/t/x/y'))).toBe('not-found');
    await mkdir('/t/x/y', true);
    await mkdir('/t/x/y', true);
    expect(await codeOf(mkdir('/t/a', true))).toBe('already-exists');
    expect(await codeOf(mkdir('/t/a/b', true))).toBe('not-directory');
    await move(scene.options('/t/b'), scene.url('/t/x/y'), { replace: false });
    expect(await text(scene, '/t/x/y/b')).toBe('b');
  });
});

test("rm, mv and mkdir change neither the root nor reserved paths, nor anything outside of a token's path", async () => {
  const token = createStaticToken(TOKEN);
  const confined = {
    ...token,
    authenticate: async (evidence: Parameters<typeof token.authenticate>[0]) => {
      const all = await token.authenticate(evidence);
      return all && { ...all, pathPrefix: 'mine' };
    },
  };
  const scene = await openScene('disk', { authenticators: [confined] });
  for (const name of ['mine/a', 'other', '.cairn/x']) {
    mkdirSync(path.dirname(path.join(scene.root, name)), { recursive: true });
    writeFileSync(path.join(scene.root, name), name);
  }
  const recursive = true;
  expect(await codeOf(remove(scene.options('/'), { recursive }))).toBe('forbidden');
  expect(await codeOf(remove(scene.options('/other'), { recursive }))).toBe('forbidden');
  expect(await codeOf(remove(scene.options('/mine'), { recursive }))).toBe('path-reserved');
  expect(await codeOf(move(scene.options('/mine/a'), scene.url('/other'), { replace: true }))).toBe(
    'forbidden',
  );
  expect(await codeOf(move(scene.options('/other'), scene.url('/mine/b'), { replace: true }))).toBe(
    'forbidden',
  );
  expect(await codeOf(makeDirectory(scene.options('/made'), { parents: true }))).toBe('forbidden');
  const free = await openScene();
  expect(await codeOf(remove(free.options('/'), { recursive }))).toBe('path-reserved');
  expect(await codeOf(remove(free.options('/.cairn/sessions'), { recursive }))).toBe('path-reserved');
  expect(await text(scene, '/mine/a')).toBe('mine/a');
});

test('a grant to push neither removes a file nor makes a directory', async () => {
  const token = createStaticToken(TOKEN);
  const granted = {
    ...token,
    authenticate: async (evidence: Parameters<typeof token.authenticate>[0]) => {
      const all = await token.authenticate(evidence);
      return all && { ...all, id: 'grant:abc', scopes: ['write' as const] };
    },
    stands: () => true,
  };
  const scene = await openScene('disk', { authenticators: [granted] });
  writeFileSync(path.join(scene.root, 'a'), 'kept');
  expect(await codeOf(remove(scene.options('/a'), { recursive: true }))).toBe('forbidden');
  expect(await codeOf(makeDirectory(scene.options('/b'), { parents: true }))).toBe('forbidden');
});

describe('changes that are asked for again', () => {
  /** A server that does so with the first request for a change, and then knows of nothing at its path. */
  const afterwardsNothing = (first: (response: ServerResponse) => void): Promise<Trap> => {
    let asked = 0;
    return setTrap(({ route, method, response }) => {
      if (route !== 'tree' || method !== 'POST') return false;
      asked += 1;
      if (asked === 1) first(response);
      else problem(response, 404, { code: 'not-found', detail: 'there is nothing' });
      return true;
    });
  };
  const to = (trap: Trap): URL => new URL('/elsewhere/', trap.url);

  test('a change counts as done when its first answer was lost and the next one finds nothing', async () => {
    for (const work of [
      (trap: Trap) => move(trap.options, to(trap), { replace: false }),
      (trap: Trap) => remove(trap.options, { recursive: false }),
    ])
      await work(await afterwardsNothing((response) => response.destroy()));
  });

  test('a change counts as not done when its first request was refused and the next one finds nothing', async () => {
    const busy = { code: 'server-busy', detail: 'too much to do' };
    for (const work of [
      (trap: Trap) => move(trap.options, to(trap), { replace: false }),
      (trap: Trap) => remove(trap.options, { recursive: false }),
    ])
      expect(await codeOf(work(await afterwardsNothing((response) => problem(response, 503, busy))))).toBe(
        'not-found',
      );
  });
});

test('mv refuses a URL outside of the prefix that the server is served below', async () => {
  const asked: string[] = [];
  const trap = await setTrap(({ route, method, response, body }) => {
    if (route !== 'tree' || method !== 'POST') return false;
    asked.push(body);
    json(response, {});
    return true;
  });
  const options = { ...trap.options, url: new URL('/pre/a', trap.url) };
  const mv = (place: string): Promise<string> => move(options, new URL(place, trap.url), { replace: false });
  for (const place of ['/other/', '/prefix/', '/'])
    expect([place, await codeOf(mv(place))]).toEqual([place, 'usage']);
  expect(asked).toEqual([]);
  await mv('/pre/b/');
  expect(JSON.parse(asked[0]!)).toMatchObject({ path: '/a', to: '/b/a' });
});
