import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { TransferEvent } from '../../src/client/api/events.ts';
import { createRetrier } from '../../src/client/http/retry.ts';
import { codeOf } from './support/scene.ts';

/** Half a jitter, and everything that is told. */
function retrier(
  changes: { retryForMs?: number; signal?: AbortSignal; now?: () => number; makeRoom?: () => boolean } = {},
) {
  const events: TransferEvent[] = [];
  const made = createRetrier({
    retryForMs: 10_000,
    signal: new AbortController().signal,
    report: (event) => void events.push(event),
    random: () => 0.01,
    ...changes,
  });
  return { ...made, made, events };
}

const network = new CairnError('network', 'away');

test('an operation is tried until it succeeds, and its retries are counted', async () => {
  const { made } = retrier();
  const seen: number[] = [];
  const result = await made.run(async (attempt) => {
    seen.push(attempt);
    if (attempt < 3) throw network;
    return 'done';
  });
  expect(result).toBe('done');
  expect(seen).toEqual([0, 1, 2, 3]);
  expect(made.retries).toBe(3);
});

test.each(['not-found', 'session-fenced', 'digest-mismatch', 'storage-full'] as const)(
  'an operation that fails with %s is never tried again',
  async (code) => {
    const { made } = retrier();
    let tries = 0;
    const running = made.run(async () => {
      tries += 1;
      throw new CairnError(code, 'no');
    });
    expect(await codeOf(running)).toBe(code);
    expect(tries).toBe(1);
  },
);

test('a message that was not understood is sent again, but not for ever', async () => {
  const { made } = retrier();
  let tries = 0;
  const spoiled = new CairnError('invalid-request', 'the message is no JSON');
  await made.run(async () => {
    if (++tries < 3) throw spoiled;
  });
  expect(tries).toBe(3);
  const running = made.run(async () => {
    tries += 1;
    throw spoiled;
  });
  expect(await codeOf(running)).toBe('invalid-request');
  expect(tries).toBe(6);
});

test('an error that is no CairnError is a bug, and passes at once', async () => {
  const { made } = retrier();
  await expect(made.run(async () => Promise.reject(new TypeError('bug')))).rejects.toThrow(TypeError);
});

test('a session is resumed before the next try of an operation', async () => {
  const { made } = retrier();
  const done: string[] = [];
  await made.run(
    async (attempt) => {
      done.push('try');
      if (attempt === 0) throw new CairnError('session-suspended', 'resume');
    },
    { recover: async () => void done.push('resume') },
  );
  expect(done).toEqual(['try', 'resume', 'try']);
});

test('an operation is given up after its time without progress, with the network error it had', async () => {
  const { made, events } = retrier({ retryForMs: 60 });
  expect(await codeOf(made.run(async () => Promise.reject(network)))).toBe('network');
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ type: 'waiting', code: 'network' });
});

test('an operation after which room is made again and again is not tried without pauses, nor for ever', async () => {
  const { made, events } = retrier({ retryForMs: 60, makeRoom: () => true });
  let tries = 0;
  const running = made.run(async () => {
    if (++tries > 1000) throw new CairnError('internal', 'tried without a pause');
    throw network;
  });
  expect(await codeOf(running)).toBe('network');
  expect(events).toHaveLength(1);
});

test('the first try after room was made does not wait', async () => {
  const { made, events } = retrier({ makeRoom: () => true });
  await made.run(async (attempt) => {
    if (attempt === 0) throw network;
  });
  expect(events).toEqual([]);
});

test('progress anywhere starts the time for retries anew', async () => {
  let clockMs = 0;
  const { made } = retrier({ retryForMs: 40, now: () => clockMs });
  let tries = 0;
  await made.run(async () => {
    tries += 1;
    clockMs += 30;
    made.progressed();
    if (tries < 5) throw network;
  });
  expect([tries, clockMs]).toEqual([5, 150]);
});

test('a chunk with a wrong digest is tried five times', async () => {
  const { made } = retrier();
  let tries = 0;
  const running = made.run(async () => {
    tries += 1;
    made.progressed();
    throw new CairnError('chunk-digest-mismatch', 'wrong');
  });
  expect(await codeOf(running)).toBe('chunk-digest-mismatch');
  expect(tries).toBe(5);
});

test('an operation waits as long as Retry-After says, within the time that is left', async () => {
  const { made, events } = retrier({ retryForMs: 80 });
  const busy = new CairnError('server-busy', 'busy', { details: { retryAfterMs: 3_600_000 } });
  expect(await codeOf(made.run(async () => Promise.reject(busy)))).toBe('server-busy');
  const [event] = events;
  expect(event).toMatchObject({ type: 'waiting' });
  expect(event?.type === 'waiting' && event.delayMs).toBeLessThanOrEqual(80);
});

test('an aborted signal ends a wait for the next try at once, with its reason', async () => {
  const controller = new AbortController();
  const { made } = retrier({ signal: controller.signal, retryForMs: 7_200_000 });
  const busy = new CairnError('server-busy', 'busy', { details: { retryAfterMs: 3_600_000 } });
  const running = codeOf(made.run(async () => Promise.reject(busy)));
  setTimeout(() => controller.abort(new CairnError('interrupted', 'stop')), 20);
  // Without the signal it would wait for an hour.
  expect(await running).toBe('interrupted');
});
