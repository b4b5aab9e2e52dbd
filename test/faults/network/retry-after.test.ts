import { test } from 'vitest';
import type { PassingRequest, Verdict } from '../../support/proxy-link.ts';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { Violation } from '../support/violation.ts';
import { createWorld } from '../support/world.ts';
import { allOf, checkInjected, createJob, DIRECTIONS, KIB, MIB, proxyBefore } from './scene.ts';

/** An answer as a proxy gives it that knows nothing of cairn. */
function busy(status: number, retryAfter: string | undefined): { answer: string } {
  const lines = [
    `HTTP/1.1 ${status} Busy`,
    ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
    'Content-Type: text/html',
    'Content-Length: 4',
    'Connection: close',
  ];
  return { answer: `${lines.join('\r\n')}\r\n\r\nbusy` };
}

const WAIT_S = 1;
/** Timers may be a little early. */
const EARLY_MS = 30;

/** Values that no server in its senses sends. */
const ABSURD = [
  '31536000',
  '-5',
  'Wed, 01 Jan 2200 00:00:00 GMT',
  'Thu, 01 Jan 1970 00:00:00 GMT',
  'soon',
  '',
  '99999999999999999999',
  '1e9',
] as const;

test('a client waits as long as 429 and 503 tell it to, then goes on', () =>
  allOf(
    DIRECTIONS.map((direction) =>
      campaign(
        'network',
        `a ${direction} waits as long as 429 and 503 tell it to, then goes on`,
        { sample: 1, full: 10 },
        async ({ random, injected, add }) => {
          const world = await createWorld();
          const proxy = await proxyBefore(world);
          const job = createJob({ world, proxy, direction, sizeBytes: MIB, parallel: 1 });
          const toldAtMs = new Map<string, number>();
          const waits: { path: string; ms: number }[] = [];
          proxy.onRequest(({ path }: PassingRequest): Verdict => {
            const now = performance.now();
            const before = toldAtMs.get(path);
            if (before !== undefined && before > 0) waits.push({ path, ms: now - before });
            const isSpared = path.includes('/chunks/') && random() < 0.5;
            toldAtMs.set(path, before === undefined && !isSpared ? now : 0);
            if (before !== undefined || isSpared) return 'pass';
            return busy(random() < 0.5 ? 429 : 503, String(WAIT_S));
          });
          const result = await job.run();
          checkInjected(waits.length);
          injected(waits.length);
          const shortest = waits.toSorted((a, b) => a.ms - b.ms)[0]!;
          add('shortest wait in seconds', shortest.ms / 1000);
          if (shortest.ms < WAIT_S * 1000 - EARLY_MS)
            throw new Violation('unclear', `"${shortest.path}" was asked for again after ${shortest.ms} ms`);
          await job.checkDone(result);
        },
      ),
    ),
  ));

test('a client waits for an absurd Retry-After no longer than --retry-for', async () => {
  const RETRY_FOR_S = 2;
  const values = IS_FULL ? ABSURD : ABSURD.filter((_, index) => index % 2 === 0);
  const one = { sample: 1, full: 5 };
  await allOf(
    values.map((value) =>
      campaign('network', `503 with "Retry-After: ${value}" does no harm`, one, async ({ injected, add }) => {
        const world = await createWorld();
        const proxy = await proxyBefore(world);
        const job = createJob({
          world,
          proxy,
          direction: 'push',
          sizeBytes: 256 * KIB,
          retryFor: `${RETRY_FOR_S}s`,
        });
        let answered = 0;
        let isOver = false;
        proxy.onRequest(({ path }) => {
          if (isOver || !path.includes('/chunks/')) return 'pass';
          answered += 1;
          return busy(503, value);
        });
        const startedAtMs = performance.now();
        const result = await job.run();
        add('seconds', (performance.now() - startedAtMs) / 1000);
        checkInjected(answered);
        injected(answered);
        await job.checkFailed(result, [5]);
        if (answered > 30)
          throw new Violation('unclear', `asked ${answered} times in ${RETRY_FOR_S} seconds`);
        isOver = true;
        await job.checkDone(await job.run());
      }),
    ),
  );
});
