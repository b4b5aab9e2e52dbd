import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createByteBudget } from '../../src/transfer/byte-budget.ts';

describe('byte budgets', () => {
  test('a byte budget gives no more than it has, in the order of asking, and takes back what is not needed', async () => {
    const budget = createByteBudget(10);
    const first = await budget.take(7);
    expect(budget.tryTake(4)).toBeUndefined();
    const given: string[] = [];
    const second = budget.take(6).then((share) => (given.push('second'), share));
    const third = budget.take(1).then((share) => (given.push('third'), share));
    await turn();
    // Three are free, but the one that waits for six comes first.
    expect([given, budget.tryTake(1)]).toEqual([[], undefined]);
    first.shrink(4);
    await Promise.all([second, third].slice(0, 1));
    expect(given).toEqual(['second']);
    first.release();
    first.release();
    (await third).release();
    (await second).release();
    expect(budget.tryTake(10)).toBeDefined();
    expect(budget.tryTake(1)).toBeUndefined();
  });

  test('a byte budget gives all of itself to a request that is larger than it', () => {
    const budget = createByteBudget(10);
    const share = budget.tryTake(1000);
    expect(budget.tryTake(1)).toBeUndefined();
    share?.shrink(9);
    expect(budget.tryTake(1)).toBeDefined();
  });

  test('a byte budget drops a request whose signal is aborted while it waits', async () => {
    const budget = createByteBudget(10);
    const all = await budget.take(10);
    const controller = new AbortController();
    const large = budget.take(10, controller.signal);
    const small = budget.take(2);
    all.shrink(5);
    controller.abort(new Error('stop'));
    await expect(large).rejects.toThrow('stop');
    (await small).release();
    await expect(budget.take(1, controller.signal)).rejects.toThrow('stop');
  });
});
