import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import * as v from 'valibot';
import { expect, onTestFinished, test, vi } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createFileState } from '../../../src/storage/state/files/file-state.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import type { StateStore } from '../../../src/storage/state/state-store.ts';
import { openDocument, type DocumentKind } from '../../../src/storage/state/typed-document.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';

const NUMBERS: DocumentKind<readonly number[]> = {
  key: 'a/numbers',
  schema: v.pipe(v.string(), v.parseJson(), v.array(v.number())),
  format: (numbers) => JSON.stringify(numbers),
  unreadable: (where) => `no numbers are in "${where}"`,
};

/** A state whose calls are counted, and whose writes may fail. */
function counted(): StateStore & { reads: number; writes: number; fails: boolean } {
  const state = createObjectState(createMemoryObjects(), { lookEveryMs: 5 });
  const it = {
    ...state,
    reads: 0,
    writes: 0,
    fails: false,
    get: (key: string) => {
      it.reads += 1;
      return state.get(key);
    },
    getUnless: (key: string, version: string) => {
      it.reads += 1;
      return state.getUnless(key, version);
    },
    compareAndSet: async (key: string, version: string | null, text: string) => {
      it.writes += 1;
      if (it.fails) throw new CairnError('storage-full', 'the disk is full');
      return state.compareAndSet(key, version, text);
    },
  };
  return it;
}

test.each([
  ['in files', () => createFileState(temporaryDirectory())],
  ['over objects', () => createObjectState(createMemoryObjects())],
])('processes that change one document at the same time lose no change %s', async (_where, makeState) => {
  const state = makeState();
  const documents = await Promise.all(Array.from({ length: 5 }, () => openDocument(state, NUMBERS)));
  const wanted = Array.from({ length: 40 }, (_, index) => index);
  await Promise.all(wanted.map((number) => documents[number % 5]!.change((now = []) => [...now, number])));
  const { value } = await openDocument(state, NUMBERS);
  expect(value?.toSorted((a, b) => a - b)).toEqual(wanted);
});

test('changes of a document that wait together are written once, and a refused one ends only itself', async () => {
  const state = counted();
  const numbers = await openDocument(state, NUMBERS);
  const add = (number: number): Promise<void> =>
    numbers.change((now = []) => {
      if (now.includes(number)) throw new CairnError('usage', 'it is there already');
      return [...now, number];
    });
  const first = add(1);
  await Promise.resolve();
  const others = [add(2), add(2), add(3)];
  await first;
  expect(await Promise.all(others.map((each) => codeOf(() => each)))).toEqual(['done', 'usage', 'done']);
  expect(numbers.value).toEqual([1, 2, 3]);
  expect(state.writes).toBe(2);
});

test('a change of a document that alters nothing writes nothing', async () => {
  const state = counted();
  const numbers = await openDocument(state, NUMBERS);
  await numbers.change((now) => now);
  await numbers.change(() => undefined);
  expect([numbers.value, state.writes]).toEqual([undefined, 0]);
});

test('a change of a document that could not be written is reported, and does not take effect', async () => {
  const state = counted();
  const numbers = await openDocument(state, NUMBERS);
  state.fails = true;
  expect(await codeOf(() => numbers.change(() => [1]))).toBe('storage-full');
  expect(numbers.value).toBeUndefined();
  state.fails = false;
  await numbers.change((now = []) => [...now, 2]);
  expect(numbers.value).toEqual([2]);
});

test('a follower of a document sees what others make of it, and nothing after its signal', async () => {
  const state = createObjectState(createMemoryObjects(), { lookEveryMs: 5 });
  const seen: unknown[] = [];
  const mine = await openDocument(state, NUMBERS, (value) => seen.push(value));
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  mine.follow({ signal: stop.signal, onError: (error) => seen.push(error) });
  const other = await openDocument(state, NUMBERS);
  await other.change(() => [1]);
  await vi.waitFor(() => expect([mine.value, seen]).toEqual([[1], [[1]]]), 10_000);
  stop.abort();
  // A look that was on its way then is over now.
  await mine.look();
  await other.change(() => [1, 2]);
  await sleep(100);
  expect(mine.value).toEqual([1]);
});

test('a document that is damaged or gone leaves what was known, and is looked at until it is right', async () => {
  const state = createObjectState(createMemoryObjects(), { lookEveryMs: 5 });
  const mine = await openDocument(state, NUMBERS);
  await mine.change(() => [1]);
  const errors: unknown[] = [];
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  mine.follow({ signal: stop.signal, onError: (error) => errors.push((error as Error).message) });
  const { version } = (await state.get('a/numbers'))!;
  await state.compareAndSet('a/numbers', version, 'torn');
  await vi.waitFor(() => expect(errors).not.toEqual([]), 10_000);
  expect([errors[0], mine.value]).toEqual(['no numbers are in "a/numbers"', [1]]);
  expect(await codeOf(() => mine.change((now = []) => [...now, 2]))).toBe('config-invalid');
  expect((await state.get('a/numbers'))?.text).toBe('torn');
  await state.remove('a/numbers');
  await vi.waitFor(() => expect(errors).toContain('"a/numbers" is gone'), 10_000);
  expect(mine.value).toEqual([1]);
  await mine.change((now = []) => [...now, 3]);
  expect((await state.get('a/numbers'))?.text).toBe('[1,3]');
  await mine.look();
});

test('a document that is asked for again and again is looked at with pauses', async () => {
  const state = counted();
  const numbers = await openDocument(state, NUMBERS);
  const untilMs = performance.now() + 300;
  while (performance.now() < untilMs) await Promise.all(Array.from({ length: 100 }, () => numbers.look()));
  expect(state.reads).toBeGreaterThan(2);
  expect(state.reads).toBeLessThan(11);
});

test('an error about a secret document does not quote its text', async () => {
  const state = createObjectState(createMemoryObjects());
  await state.compareAndSet('a/numbers', null, 'the secret');
  const error = await openDocument(state, { ...NUMBERS, isSecret: true }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'config-invalid' });
  expect(inspect(error)).not.toContain('the secret');
});
