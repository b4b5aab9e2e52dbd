/** What is cairn's own is reserved by what it is: no other spelling, short name or mount leads into it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { mayBeReservedName } from '../../src/base/safe-path.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { scanAll } from '../suites/expected-tree.ts';
import {
  begin,
  codeOf,
  collect,
  directory,
  file,
  orderOf,
  stageAll,
  transferOf,
  type Item,
} from '../suites/staged-transfer.ts';
import { canMount, mountBind, mountVfat } from '../support/requirements.ts';
import { diskPlace } from './local-disk-fixtures.ts';

/** What a store says to every way of getting at the token of its server by another path. */
async function tryAll(store: ContentStore, alias: string): Promise<Record<string, string>> {
  await store.makeDirectory('other', { parents: false });
  const said = {
    lookup: await codeOf(() => store.lookup([alias])),
    below: await codeOf(() => store.lookup([`${alias}/token`])),
    read: await codeOf(() => collect(store.read(`${alias}/token`, { from: 0, to: 6 }))),
    scan: await codeOf(() => scanAll(store, alias)),
    publish: await publish(store, [directory(''), directory(alias), file(`${alias}/token`, 'forged')]),
    replace: await publish(store, [directory(''), file(alias, 'a file')]),
    remove: await codeOf(() => store.remove(alias, { recursive: true })),
    removeBelow: await codeOf(() => store.remove(`${alias}/token`, { recursive: false })),
    move: await codeOf(() => store.move(alias, 'elsewhere', { replace: true })),
    moveOver: await codeOf(() => store.move('other', alias, { replace: true })),
    make: await codeOf(() => store.makeDirectory(`${alias}/made`, { parents: true })),
  };
  await store.remove('other', { recursive: false });
  return said;
}

async function publish(store: ContentStore, items: readonly Item[]): Promise<string> {
  const transfer = transferOf(store, '', items);
  const { area, staging } = await begin(store, 'forger', transfer);
  await stageAll(staging, transfer);
  const code = await codeOf(() => staging.publish(orderOf(transfer, { forceReplace: true })));
  await staging.close();
  await area.discard();
  return code;
}

const REFUSED = {
  lookup: 'path-reserved',
  below: 'path-reserved',
  read: 'path-reserved',
  scan: 'path-reserved',
  publish: 'path-reserved',
  replace: 'path-reserved',
  remove: 'path-reserved',
  removeBelow: 'path-reserved',
  move: 'path-reserved',
  moveOver: 'path-reserved',
  make: 'path-reserved',
};

function writeState(state: string): void {
  mkdirSync(state, { mode: 0o700 });
  writeFileSync(join(state, 'token'), 'secret');
}

describe.skipIf(!canMount)('the state of a server (needs root and mounts)', () => {
  it('no other case and no short name leads into the state of a server where the file system folds names', async (context) => {
    const { root, open } = diskPlace();
    if (!mountVfat(root)) context.skip('no vfat here');
    writeState(join(root, '.cairn'));
    // It is another name for the very same.
    expect(readFileSync(join(root, '.CAIRN/token'), 'utf8')).toBe('secret');
    const store = await open();
    for (const alias of ['.CAIRN', '.Cairn', 'CAIRN~1'].filter((name) => existsSync(join(root, name)))) {
      expect(await tryAll(store, alias), alias).toEqual(REFUSED);
    }
    expect((await scanAll(store, '')).found.map(({ entry }) => entry.path)).toEqual(['']);
    expect(readFileSync(join(root, '.cairn/token'), 'utf8')).toBe('secret');
  });

  it('no mount of the state, of a part of it, or of the root leads into the state of a server', async () => {
    const { root, open } = diskPlace();
    writeState(join(root, '.cairn'));
    mountBind(join(root, '.cairn'), join(root, 'mounted'));
    mountBind(root, join(root, 'whole'));
    const store = await open();
    expect(await tryAll(store, 'mounted')).toEqual(REFUSED);
    expect(await codeOf(() => store.lookup(['whole/.cairn/token']))).toBe('path-reserved');
    expect((await scanAll(store, '')).found.map(({ entry }) => entry.path)).not.toContain('mounted');
    const { staging } = await begin(store, 'another', transferOf(store, '', [file('f', 9)]));
    mountBind(join(root, '.cairn/staging'), join(root, 'staged'));
    expect(await codeOf(() => store.lookup(['staged/another']))).toBe('path-reserved');
    await staging.close();
  });

  it('no mount into the root leads into a state of a server that lies elsewhere', async () => {
    const { root, outside, open } = diskPlace();
    const state = join(outside, 'state');
    writeState(state);
    mountBind(state, join(root, 'mounted'));
    expect(await tryAll(await open({ keepOut: [state] }), 'mounted')).toEqual(REFUSED);
    expect(readdirSync(state)).toEqual(['token']);
  });
});

it('a directory named .CAIRN is like any other on a file system that distinguishes case', async () => {
  const { root, open } = diskPlace();
  writeState(join(root, '.cairn'));
  const store = await open();
  expect(await publish(store, [directory(''), directory('.CAIRN'), file('.CAIRN/x', 'mine')])).toBe('done');
  expect(readFileSync(join(root, '.CAIRN/x'), 'utf8')).toBe('mine');
  expect((await store.lookup(['.CAIRN/x']))[0]?.entry.sizeBytes).toBe(4);
});

it.each([
  '.CAIRN',
  '.cairn.',
  '.cairn ',
  '.Cairn-1000',
  'CAIRN~1',
  'cairn-~2',
  '．ｃａｉｒｎ',
  '.ca\u200cirn',
  '.cairn::$INDEX_ALLOCATION',
])('the name %j counts as a possible spelling of the reserved name', (name) => {
  expect(mayBeReservedName(name)).toBe(true);
});

it.each(['.cairn', 'cairn', '.cairns', 'cairn~', '.git', 'CAIRN.TXT', 'x'.repeat(300)])(
  'the name %j does not count as another spelling of the reserved name',
  (name) => {
    expect(mayBeReservedName(name)).toBe(false);
  },
);
