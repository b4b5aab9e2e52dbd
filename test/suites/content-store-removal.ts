import { expect, it } from 'vitest';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import type { Entry } from '../../src/manifest/entry.ts';
import type { ContentStore, PublishOrder } from '../../src/storage/content-store.ts';
import { readFile } from './expected-tree.ts';
import { expectThere, publishOver, storeWith, typesAt } from './publish-over.ts';
import { directory, file, putTree, symlink, type Item, type MakeStore } from './staged-transfer.ts';

const LATER_NS = 1_700_000_000_000_000_000n;

/** What became of the listed entries: the codes of those that stayed, by path, and whether none was touched. */
interface Outcome {
  readonly kept: Record<string, string>;
  readonly isSkipped: boolean;
}

/** Publishes items over what is there, and removes what is listed, as often as that is wanted. */
async function mirror(
  store: ContentStore,
  items: readonly Item[],
  listed: readonly Item[],
  changes: Partial<PublishOrder> = {},
  times = 1,
): Promise<Outcome> {
  const entries = EntryTable.from(listed.map(({ entry }): Entry => entry));
  const kept: Record<string, string> = {};
  let isSkipped = false;
  const removal = {
    entries,
    onKept: (index: number, { code }: { code: string }) => void (kept[entries.pathOf(index)] = code),
    onSkipped: () => void (isSkipped = true),
  };
  await publishOver(store, items, { removal, onRefused: () => undefined, ...changes }, times);
  return { kept, isSkipped };
}

const CLEAN: Outcome = { kept: {}, isSkipped: false };

/** Registers the tests of removing what a mirror does not have. */
export function removalTests(makeStore: MakeStore): void {
  const wanted = [directory(''), directory('d'), file('d/f', 'stays'), file('z', 'new')];

  it('a content store removes the listed files, links and directories, and nothing else', async () => {
    const extras = [file('a', 'old'), directory('d/x'), file('d/x/in', 'old'), symlink('d/x/l', '..')];
    const other = file('d/other', 'not listed');
    const store = await storeWith(makeStore, [...wanted.slice(0, 3), ...extras, other]);
    expect(await mirror(store, wanted, extras)).toEqual(CLEAN);
    await expectThere(store, [...wanted, other]);
  });

  it('a content store removes again, as after a crash, what is gone already, and says nothing', async () => {
    const extras = [directory('x'), directory('x/y'), file('x/y/f', 'old')];
    const store = await storeWith(makeStore, [...wanted, ...extras]);
    expect(await mirror(store, wanted, extras, {}, 2)).toEqual(CLEAN);
    await expectThere(store, wanted);
  });

  it('a content store keeps listed entries that have changed, and the directories above, and names them', async () => {
    const there = [
      directory('x'),
      file('x/larger', 'longer than listed'),
      file('x/later', 'old', { mtimeNs: LATER_NS }),
      symlink('x/link', 'elsewhere'),
      directory('x/type'),
      directory('y'),
      file('y/new', 'came meanwhile'),
    ];
    const listed = [
      directory('x'),
      file('x/larger', 'longer'),
      file('x/later', 'old'),
      symlink('x/link', 'somewhere'),
      file('x/type', 'a file'),
      directory('y'),
    ];
    const store = await storeWith(makeStore, [...wanted, ...there]);
    expect((await mirror(store, wanted, listed)).kept).toEqual({
      'x': 'is-directory',
      'x/larger': 'destination-changed',
      'x/later': 'destination-changed',
      'x/link': 'destination-changed',
      'x/type': 'destination-changed',
      'y': 'is-directory',
    });
    expect(await typesAt(store, 'x/larger', 'x/later', 'x/link', 'x/type', 'y/new')).not.toContain(undefined);
  });

  it('a content store removes a directory whose time has changed, as each removal in it does', async () => {
    const store = await storeWith(makeStore, [...wanted, directory('x', { mtimeNs: LATER_NS, mode: 0o700 })]);
    expect(await mirror(store, wanted, [directory('x')])).toEqual(CLEAN);
    expect(await typesAt(store, 'x')).toEqual([undefined]);
  });

  it('a content store removes nothing where an entry could not be published', async () => {
    const extra = file('a', 'old');
    const inTheWay = [directory('z'), file('z/in', 'not listed')];
    const store = await storeWith(makeStore, [...wanted.slice(0, 3), extra, ...inTheWay]);
    const items = [...wanted.slice(0, 3), directory('d/f2'), file('z', 'new')];
    const refusing = { existing: 'kept' } as const;
    expect(await mirror(store, items, [extra], refusing)).toEqual({ kept: {}, isSkipped: true });
    expect(await typesAt(store, 'a', 'z/in')).toEqual(['file', 'file']);
  });

  it.each([
    ['a file', file('x', 'a file now')],
    ['a symlink', symlink('x', 'd')],
  ])('a content store replaces a directory by %s once the entries in it are removed', async (_what, item) => {
    const inside = [directory('x/y'), file('x/y/f', 'old'), file('x/z', 'old')];
    const store = await storeWith(makeStore, [...wanted, directory('x'), ...inside]);
    const refused: number[] = [];
    const onRefused = (index: number): void => void refused.push(index);
    expect(await mirror(store, [...wanted, item], inside, { onRefused }, 2)).toEqual(CLEAN);
    expect(refused).toEqual([]);
    await expectThere(store, [...wanted, item]);
  });

  it('a content store keeps a directory in which an entry stays, refuses its replacement, and removes the rest', async () => {
    const inside = [directory('x/y'), file('x/y/f', 'old'), file('x/protected', 'old')];
    const store = await storeWith(makeStore, [...wanted, file('a', 'old'), directory('x'), ...inside]);
    const refused: string[] = [];
    const onRefused = (_index: number, { code }: { code: string }): void => void refused.push(code);
    const listed = [file('a', 'old'), ...inside.slice(0, 2)];
    expect(await mirror(store, [...wanted, file('x', 'new')], listed, { onRefused })).toEqual(CLEAN);
    expect(refused).toEqual(['is-directory']);
    expect(await typesAt(store, 'a', 'x', 'x/y', 'x/protected')).toEqual([
      undefined,
      'directory',
      undefined,
      'file',
    ]);
  });

  it("a content store replaces a link to a directory by the directory, and leaves the link's aim alone", async () => {
    const store = await storeWith(makeStore, [...wanted, symlink('x', 'd')]);
    const items = [...wanted, directory('x'), file('x/in', 'new')];
    expect(await mirror(store, items, [])).toEqual(CLEAN);
    await expectThere(store, items);
  });

  it('a content store follows no link that has taken the place of a listed directory', async () => {
    const store = await storeWith(makeStore, wanted);
    await putTree(store, 'outside', [directory(''), file('f', 'old')]);
    await putTree(store, 'there', [...wanted, symlink('x', '../outside')]);
    await mirror(store, wanted, [directory('x'), file('x/f', 'old')]);
    expect((await store.lookup(['outside/f']))[0]?.entry.type).toBe('file');
  });

  it('a content store keeps what it removes and replaces in the directory for backups, and replaces nothing there', async () => {
    const there = [
      directory('d'),
      file('d/f', 'old'),
      directory('x'),
      file('x/y', 'removed'),
      symlink('l', 'aim'),
      file('same', 'same'),
      directory('was'),
      file('was/in', 'of a directory'),
      file('will', 'a file'),
    ];
    const store = await storeWith(makeStore, [directory(''), ...there]);
    await putTree(store, 'kept', [directory(''), directory('d'), file('d/f', 'of an earlier run')]);
    const items = [
      directory(''),
      directory('d'),
      file('d/f', 'newer'),
      file('same', 'same'),
      file('was', 'a file'),
      directory('will'),
    ];
    const listed = [
      directory('x'),
      file('x/y', 'removed'),
      symlink('l', 'aim'),
      file('was/in', 'of a directory'),
    ];
    // Twice, as after a crash.
    expect(await mirror(store, items, listed, { backup: 'kept' }, 2)).toEqual(CLEAN);
    await expectThere(store, items);
    const names: string[] = [];
    for await (const batch of store.scan('kept', { onNotice: () => undefined }))
      names.push(...batch.filter(({ entry }) => entry.type !== 'directory').map(({ entry }) => entry.path));
    expect(names).toEqual(['d/f', 'd/f (2)', 'l', 'was/in', 'will', 'x/y']);
    expect((await readFile(store, 'kept/d/f')).toString()).toBe('of an earlier run');
    expect((await readFile(store, 'kept/d/f (2)')).toString()).toBe('old');
    expect((await readFile(store, 'kept/x/y')).toString()).toBe('removed');
  });

  it('a content store sets the times of directories again after it removed something from them', async () => {
    const extras = [file('a', 'old'), file('d/a', 'old')];
    const store = await storeWith(makeStore, [...wanted, ...extras]);
    await mirror(store, wanted, extras, { isPresent: () => true });
    await expectThere(store, wanted);
  });
}
