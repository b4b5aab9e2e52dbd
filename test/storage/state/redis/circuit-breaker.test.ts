import { expect, it } from 'vitest';
import { createCircuitBreaker } from '../../../../src/storage/state/redis/circuit-breaker.ts';

function makeBreaker() {
  const clock = { ms: 0 };
  const breaker = createCircuitBreaker({ maxFailures: 3, restMs: 1000, now: () => clock.ms });
  const fail = (times: number): void => {
    for (let count = 0; count < times; count += 1) breaker.failed();
  };
  return { clock, breaker, fail };
}

it('a service is asked until it has failed three times in a row', () => {
  const { breaker, fail } = makeBreaker();
  fail(2);
  breaker.succeeded();
  fail(2);
  expect([breaker.mayAsk(), breaker.isClosed]).toEqual([true, true]);
  expect(breaker.failed()).toBe(true);
  expect([breaker.mayAsk(), breaker.isClosed]).toEqual([false, false]);
});

it('a service that has failed is left alone for a while, and then asked once until that answer is there', () => {
  const { clock, breaker, fail } = makeBreaker();
  fail(3);
  clock.ms = 999;
  expect(breaker.mayAsk()).toBe(false);
  clock.ms = 1000;
  expect([breaker.mayAsk(), breaker.mayAsk()]).toEqual([true, false]);
  expect(breaker.failed()).toBe(false);
  clock.ms = 1999;
  expect(breaker.mayAsk()).toBe(false);
  clock.ms = 2000;
  expect(breaker.mayAsk()).toBe(true);
  breaker.succeeded();
  expect([breaker.mayAsk(), breaker.mayAsk(), breaker.isClosed]).toEqual([true, true, true]);
});
