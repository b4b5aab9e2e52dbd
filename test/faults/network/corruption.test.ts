import { describe, test } from 'vitest';
import type { CliResult } from '../../support/cli.ts';
import type { PassingPiece } from '../../support/proxy-link.ts';
import { campaign } from '../support/campaign.ts';
import { Violation } from '../support/violation.ts';
import { createWorld } from '../support/world.ts';
import {
  checkArrived,
  checkInjected,
  createJob,
  DIRECTIONS,
  MIB,
  proxyBefore,
  talkativeWorld,
  unexpected,
} from './scene.ts';

const isChunk = ({ request }: PassingPiece): boolean => request?.path.includes('/chunks/') === true;

/** Flips one bit in the bytes from `from` on. */
function flip(bytes: Buffer, from: number, random: () => number): void {
  const at = from + Math.floor(random() * (bytes.length - from));
  bytes[at]! ^= 1 << Math.floor(random() * 8);
}

/** Flips a bit in every so manieth piece of a chunk's body, `count` times. */
function flipBodies(
  count: number,
  distance: number,
  random: () => number,
): { look: (piece: PassingPiece) => void; flips: () => number } {
  let pieces = 0;
  let flips = 0;
  return {
    flips: () => flips,
    look: (piece) => {
      const { bytes, bodyFrom } = piece;
      if (!isChunk(piece) || bodyFrom >= bytes.length) return;
      pieces += 1;
      if (flips >= count || pieces % distance !== 0) return;
      flips += 1;
      flip(bytes, bodyFrom, random);
    },
  };
}

/** Flips a bit in one piece of what is said beside the chunks' bytes, or cuts it short by turning its rest to zeros. */
function spoilTalk(
  nth: number,
  random: () => number,
): { look: (piece: PassingPiece) => void; spoiled: () => string } {
  let pieces = 0;
  let spoiled = '';
  return {
    spoiled: () => spoiled,
    look: (piece) => {
      const { bytes, bodyFrom, request, way } = piece;
      const to = isChunk(piece) ? bodyFrom : bytes.length;
      if (to === 0 || spoiled !== '' || (pieces += 1) <= nth) return;
      spoiled = `${way} ${request?.method} ${request?.path}`;
      const talk = bytes.subarray(0, to);
      if (random() < 0.8) flip(talk, 0, random);
      else talk.fill(0, Math.floor(random() * to));
    },
  };
}

/** Every end that a spoiled conversation may have: all but a bug, and a signal. */
const CLEAR_ENDS = [2, 3, 4, 5, 6, 7, 8, 10];

function checkSpoiledEnd(result: CliResult, what: string): void {
  if (result.exitCode === 0 || CLEAR_ENDS.includes(result.exitCode ?? -1)) return;
  throw new Violation('unclear', `after a spoiled ${what}: ${unexpected(result).message}`);
}

describe.each(DIRECTIONS)('a %s', (direction) => {
  const bodies = `a ${direction} whose chunks are spoiled on the way sends them again`;
  test(bodies, () =>
    campaign('network', bodies, { sample: 1, full: 20 }, async ({ random, injected, add }) => {
      const world = await talkativeWorld();
      const proxy = await proxyBefore(world);
      const job = createJob({ world, proxy, direction, sizeBytes: 6 * MIB, chunkSize: '256K' });
      const spoiling = flipBodies(8, 5, random);
      proxy.onPiece(spoiling.look);
      const result = await job.run();
      checkInjected(spoiling.flips());
      injected(spoiling.flips());
      add('retries', Number(result.last['retries']));
      if (Number(result.last['retries']) === 0) throw new Violation('false-success', 'nothing was found');
      await job.checkDone(result);
    }),
  );

  const talk = `a ${direction} whose messages are spoiled on the way ends well or says what is wrong`;
  test(talk, async () => {
    await campaign('network', talk, { sample: 3, full: 300 }, async ({ seed, random, injected, add }) => {
      const world = await createWorld();
      const proxy = await proxyBefore(world);
      const job = createJob({ world, proxy, direction, sizeBytes: 0.5 * MIB, retryFor: '5s', parallel: 2 });
      const spoiling = spoilTalk((seed * 3) % 12, random);
      proxy.onPiece(spoiling.look);
      const result = await job.run();
      checkInjected(spoiling.spoiled().length);
      injected();
      add(result.exitCode === 0 ? 'ended well' : `exit ${result.exitCode}`, 1);
      checkSpoiledEnd(result, spoiling.spoiled());
      if (result.exitCode === 0) await job.checkDone(result);
      else await job.checkFailed(result, CLEAR_ENDS);
      proxy.onPiece(() => undefined);
      // After whatever happened, the same command over a sound network brings the file.
      checkArrived(job, await job.run());
      world.checkSurroundings();
    });
  });
});
