import { expect, test } from 'vitest';
import { attach, joinedCalls, type JoinedCall } from '../support/attach.ts';
import { campaign, type FaultRun, IS_FULL } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace } from '../support/strace.ts';
import { Violation } from '../support/violation.ts';
import { workFolder } from '../support/world.ts';
import { faultAt, faultsIn, lostPage, SYNC_CALLS } from './faults.ts';
import {
  openScene,
  publishSource,
  pullThroughFault,
  pushOf,
  pushThroughFault,
  traceOfPull,
} from './scene.ts';

const WRITES = new Set(['pwrite64', 'pwritev']);
const SYNCS = new Set(['fdatasync', 'fsync']);

/** Bytes written to a staged file since it was last synced, as of a call. */
function unsyncedBytes(calls: readonly JoinedCall[], before: number, path: string): number {
  let bytes = 0;
  for (const call of calls.slice(0, before)) {
    if (call.path !== path) continue;
    if (SYNCS.has(call.name)) bytes = 0;
    else if (WRITES.has(call.name)) bytes += call.result;
  }
  return bytes;
}

/**
 * After a failed sync of a file no sync on the same descriptor is believed: it is closed first, and what the failed one
 * was to cover is written again before another one says that it is durable.
 */
function checkNotRetried([faulty, following]: readonly [string, string], given: FaultRun): void {
  const calls = joinedCalls(faulty);
  const calledNext = joinedCalls(following);
  for (const [at, failed] of calls.entries()) {
    if (!failed.isInjected || !SYNCS.has(failed.name) || failed.fd === undefined) continue;
    given.add('failed syncs of a file', 1);
    const inProcess = calls.slice(at + 1);
    const later = [...inProcess, ...calledNext];
    const end = inProcess.findIndex(({ name, fd }) => name === 'close' && fd === failed.fd);
    const same = inProcess.slice(0, end === -1 ? undefined : end);
    const isBelieved = same.some(
      ({ name, fd, result }) => SYNCS.has(name) && fd === failed.fd && result === 0,
    );
    // A directory holds names, not pages of a file: it is synced again with every name that is added.
    const isData = /\/staging\/[^/]+\/[ec]\d+$/.test(failed.path);
    if (isBelieved && (isData || failed.path.endsWith('/journal')))
      throw new Violation('lost', `a sync was tried again on the same descriptor: ${failed.line}`);
    const next = later.findIndex(
      ({ name, path, result }) => SYNCS.has(name) && path === failed.path && result === 0,
    );
    if (!isData || next === -1) continue;
    const again = later
      .slice(0, next)
      .reduce(
        (sum, { name, path, result }) => sum + (WRITES.has(name) && path === failed.path ? result : 0),
        0,
      );
    const lost = unsyncedBytes(calls, at, failed.path);
    if (again < lost)
      throw new Violation(
        'lost',
        `${lost} bytes were not written again, but ${again}: ${failed.line}`,
        lost - again,
      );
    given.add('KiB written again', Math.round(again / 1024));
  }
}

test.skipIf(!canTrace)(
  'a sync that fails once at the server loses nothing that was acknowledged (needs strace)',
  async () => {
    const scene = await openScene();
    const watched = await attach(scene.world.server.pid()!, { calls: SYNC_CALLS });
    await scene.world.run(pushOf(scene, 'count'), { stateHome: workFolder(scene.world, 'home-count') });
    const faults = faultsIn(await watched.detach(), SYNC_CALLS, lostPage);
    const name = 'push: the Nth sync fails once at the server';
    const { faults: injected, figures } = await campaign(
      'disk',
      name,
      { sample: 2, full: 2 * faults.length },
      async (given) => {
        const inject = [faultAt(faults, given.seed)];
        const outcome = { exitCodes: [0, 9], given, goesOnTracing: true };
        checkNotRetried([await pushThroughFault(scene, `t${given.seed}`, inject, outcome), ''], given);
      },
    );
    checkTotals(() => {
      expect(injected).toBeGreaterThan(0);
      if (IS_FULL) expect(figures['KiB written again']).toBeGreaterThan(0);
    });
    scene.world.checkSurroundings();
  },
);

test.skipIf(!canTrace)(
  'a sync that fails once at the client of a pull is never believed afterwards (needs strace)',
  async () => {
    const scene = await openScene();
    publishSource(scene);
    const faults = faultsIn(await traceOfPull(scene, SYNC_CALLS), SYNC_CALLS, lostPage);
    const name = 'pull: the Nth sync fails once at the client';
    const { faults: injected, figures } = await campaign(
      'disk',
      name,
      { sample: 3, full: 2 * faults.length },
      async (given) => {
        const inject = [faultAt(faults, given.seed)];
        checkNotRetried(
          await pullThroughFault(scene, `t${given.seed}`, inject, { exitCodes: [0, 9], given }),
          given,
        );
      },
    );
    checkTotals(() => {
      expect(injected).toBeGreaterThan(0);
      if (IS_FULL) expect(figures['KiB written again']).toBeGreaterThan(0);
    });
    scene.world.checkSurroundings();
  },
);
