import { expect, test } from 'vitest';
import { createKeyedMutex, createMutex } from '../../src/base/mutex.ts';

/** Work that a test ends, and what has begun of it. */
function createWork() {
  const begun: string[] = [];
  const ends = new Map<string, { done: () => void; failed: (error: Error) => void }>();
  const work = (name: string) => () => {
    begun.push(name);
    return new Promise<string>((resolve, reject) =>
      ends.set(name, { done: () => resolve(name), failed: reject }),
    );
  };
  return { begun, work, ends };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a mutex runs one piece of work at a time, in the order in which they came', async () => {
  const { begun, work, ends } = createWork();
  const mutex = createMutex();
  const [first, second] = [mutex(work('first')), mutex(work('second'))];
  await settled();
  expect(begun).toEqual(['first']);
  ends.get('first')!.done();
  expect(await first).toBe('first');
  await settled();
  expect(begun).toEqual(['first', 'second']);
  ends.get('second')!.done();
  expect(await second).toBe('second');
});

test('work in a mutex that fails is reported to its own caller, and the next piece runs all the same', async () => {
  const { work, ends } = createWork();
  const mutex = createMutex();
  const [first, second] = [mutex(work('first')), mutex(work('second'))];
  await settled();
  ends.get('first')!.failed(new Error('no luck'));
  await expect(first).rejects.toThrow('no luck');
  await settled();
  ends.get('second')!.done();
  expect(await second).toBe('second');
});

test('a keyed mutex lets work on different keys go on side by side', async () => {
  const { begun, work, ends } = createWork();
  const mutex = createKeyedMutex();
  const all = [mutex('a', work('a1')), mutex('a', work('a2')), mutex('b', work('b1'))];
  await settled();
  expect(begun).toEqual(['a1', 'b1']);
  ends.get('a1')!.failed(new Error('no luck'));
  await expect(all[0]).rejects.toThrow('no luck');
  await settled();
  expect(begun).toEqual(['a1', 'b1', 'a2']);
  for (const name of ['a2', 'b1']) ends.get(name)!.done();
  expect(await Promise.all(all.slice(1))).toEqual(['a2', 'b1']);
});
