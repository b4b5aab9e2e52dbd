/** A check of a store works only as long as no server may use it. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { openCheckedStore } from '../../../../src/cli/commands/serve/checked-store.ts';
import { openDirectoryObjects } from '../../../../src/storage/objects/directory/directory-objects.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const UNUSED = 'c/AAAAAAAAAAAAAAAAAAAAAA/1/0-x';

async function openScene() {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const directory = temporaryDirectory();
  const objects = await openDirectoryObjects(directory);
  await objects.put(UNUSED, Buffer.from('unused'));
  const checked = await openCheckedStore({ store: { directory } }, false);
  const kinds: string[] = [];
  const find = ({ kind }: { readonly kind: string }): void => void kinds.push(kind);
  const examine = () => checked.examinePublished!({ find, onProgress: () => undefined });
  const isThere = async (): Promise<boolean> => (await objects.get(UNUSED, { to: 0 })) !== undefined;
  return { objects, checked, examine, kinds, isThere };
}

test('a check frees what nothing needs', async () => {
  const { checked, examine, kinds, isThere } = await openScene();
  await examine();
  expect([kinds, await isThere()]).toEqual([['objects-unused'], false]);
  await checked.close();
});

test('a check that could not keep servers away looks at no session any more, and frees nothing', async () => {
  const { objects, checked, examine, kinds, isThere } = await openScene();
  // As after it was stopped for longer than its lease, and another command has come and gone.
  await objects.remove(['l/held']);
  await vi.advanceTimersByTimeAsync(15_000);
  const listed = async (): Promise<string> => {
    for await (const _ of checked.sessions.list());
    return 'listed';
  };
  await expect.poll(() => listed().catch(({ code }: { readonly code: string }) => code)).toBe('state-locked');
  await expect(examine()).rejects.toMatchObject({ code: 'state-locked' });
  expect([kinds, await isThere()]).toEqual([[], true]);
  await checked.close();
});
