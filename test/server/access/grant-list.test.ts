import { expect, test } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import { openGrantList, type IssuedGrant } from '../../../src/server/access/grant-list.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import type { StateStore } from '../../../src/storage/state/state-store.ts';
import { codeOf } from '../../suites/staged-transfer.ts';

const now = (): number => 1000;

const grantOf = (id: string, changes: Partial<IssuedGrant> = {}): IssuedGrant => ({
  id,
  owner: 'alice',
  direction: 'push',
  path: 'in',
  scopes: ['write'],
  createdAtMs: 0,
  expiresAtMs: 1e12,
  issuer: { id: 'token:alice' },
  ...changes,
});

const idsOf = (grants: Iterable<IssuedGrant>): string[] => Array.from(grants, ({ id }) => id).toSorted();

/** A state whose disk may be full. */
function fillable(): StateStore & { isFull: boolean } {
  const state = createObjectState(createMemoryObjects());
  const it = {
    ...state,
    isFull: false,
    compareAndSet: async (key: string, version: string | null, text: string) => {
      if (it.isFull) throw new CairnError('storage-full', 'the disk is full');
      return state.compareAndSet(key, version, text);
    },
  };
  return it;
}

test('a revocation that cannot be written takes effect at once, and is written with the next change', async () => {
  const state = fillable();
  const list = await openGrantList(state, now);
  await list.add(grantOf('a'), () => {});
  state.isFull = true;
  expect(await codeOf(() => list.revoke(grantOf('a')))).toBe('storage-full');
  expect(list.get('a')?.isRevoked).toBe(true);
  expect((await openGrantList(state, now)).get('a')?.isRevoked).toBeUndefined();
  state.isFull = false;
  await list.add(grantOf('b'), () => {});
  const again = await openGrantList(state, now);
  expect([again.get('a')?.isRevoked, idsOf(again.all())]).toEqual([true, ['a', 'b']]);
});

test('a grant that could not be written is not issued', async () => {
  const state = fillable();
  const list = await openGrantList(state, now);
  state.isFull = true;
  expect(await codeOf(() => list.add(grantOf('a'), () => {}))).toBe('storage-full');
  expect([list.get('a'), idsOf(list.all())]).toEqual([undefined, []]);
});

test('a server that does not know of a revocation keeps it when it issues the same grant again', async () => {
  const state = createObjectState(createMemoryObjects());
  const [one, other] = [await openGrantList(state, now), await openGrantList(state, now)];
  await one.add(grantOf('a'), () => {});
  await one.revoke(grantOf('a'));
  await other.add(grantOf('a'), () => {});
  await other.add(grantOf('b'), () => {});
  for (const list of [one, other, await openGrantList(state, now)])
    expect(list.get('a')?.isRevoked).toBe(true);
});

test('the number of grants is checked against those of all servers', async () => {
  const state = createObjectState(createMemoryObjects());
  const lists = [await openGrantList(state, now), await openGrantList(state, now)];
  const atMostThree = (others: Iterable<IssuedGrant>): void => {
    if (idsOf(others).length >= 3) throw new CairnError('quota-exceeded', 'three are there');
  };
  const codes = Array.from({ length: 10 }, (_, at) =>
    codeOf(() => lists[at % 2]!.add(grantOf(`g${at}`), atMostThree)),
  );
  expect((await Promise.all(codes)).filter((code) => code === 'done')).toHaveLength(3);
  expect(idsOf((await openGrantList(state, now)).all())).toHaveLength(3);
});

test('a grant that expired long ago is removed with the next change', async () => {
  const state = createObjectState(createMemoryObjects());
  const list = await openGrantList(state, () => 30 * 86_400_000);
  await list.add(grantOf('old', { expiresAtMs: 1000 }), () => {});
  await list.add(grantOf('new'), () => {});
  expect(idsOf((await openGrantList(state, now)).all())).toEqual(['new']);
});
