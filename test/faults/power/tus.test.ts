/**
 * The same power cuts against tus, for comparison: how much of what its server has acknowledged is there afterwards.
 * What tus keeps or loses is a figure; the case fails only where the comparison itself did not work.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory, writeRandomFile } from '../../support/trees.ts';
import { campaign, type FaultRun } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { createPowerDisk, DISK_KINDS, missingForPowerCuts } from './support/power-disk.ts';
import { startTus, tusVersions, type TusLeft, type TusScene } from './support/tus-scene.ts';

const MIB = 1024 * 1024;
const SIZE_BYTES = 16 * MIB;
const CHUNK_BYTES = MIB;
const BYTES_PER_SECOND = 20 * MIB;

const NAME =
  tusVersions === undefined
    ? 'tus (not installed: bash .ci/get-tus)'
    : `@tus/server ${tusVersions.server} with tus-js-client ${tusVersions.client}, for comparison`;

/** How many first bytes are those of the file that was sent. */
function rightBytes(stored: Buffer, sent: Buffer): number {
  if (stored.equals(sent.subarray(0, stored.length))) return stored.length;
  let at = 0;
  while (stored[at] === sent[at]) at += 1;
  return at;
}

/** Adds up what was acknowledged, what is lost of it, and what the server would wrongly go on from. */
function count(
  { add, injected }: FaultRun,
  { acknowledgedBytes, left, sent }: { acknowledgedBytes: number; left: TusLeft; sent: Buffer },
): void {
  injected();
  expect(left.status === 200 || left.status >= 400, `HTTP ${left.status}`).toBe(true);
  expect(acknowledgedBytes).toBeGreaterThan(0);
  const right = rightBytes(left.stored, sent);
  const kept = left.status === 200 ? Math.min(left.offset, right) : 0;
  const lost = Math.max(0, acknowledgedBytes - kept);
  add('acknowledged MiB', acknowledgedBytes / MIB);
  add('lost MiB', lost / MIB);
  add('cuts that lost something', lost > 0 ? 1 : 0);
  add('wrong MiB to go on from', left.status === 200 ? Math.max(0, left.offset - right) / MIB : 0);
}

describe.skipIf(missingForPowerCuts !== '' || tusVersions === undefined).each(DISK_KINDS)(
  `${NAME}, on $name${missingForPowerCuts}`,
  (kind) => {
    test.each([
      {
        moment: 'while it uploads',
        until: (scene: TusScene, random: () => number) =>
          scene.untilAcknowledged(CHUNK_BYTES + random() * (SIZE_BYTES - 2 * CHUNK_BYTES)),
      },
      { moment: 'right after its client said success', until: (scene: TusScene) => scene.succeeded },
    ])('a tus upload is measured through power cuts $moment', async ({ moment, until }) => {
      const file = path.join(temporaryDirectory(), 'file');
      writeRandomFile(file, SIZE_BYTES);
      const sent = readFileSync(file);
      const report = await campaign(
        'power',
        `${NAME}, on ${kind.name}: cuts ${moment}`,
        { sample: 1, full: 10 },
        async (run) => {
          const disk = createPowerDisk(kind);
          const options = { chunkBytes: CHUNK_BYTES, bytesPerSecond: BYTES_PER_SECOND };
          const scene = await startTus(disk, file, options);
          scene.succeeded.catch(() => undefined); // a cut ends it
          await until(scene, run.random);
          const left = await scene.cut();
          count(run, { acknowledgedBytes: scene.acknowledgedBytes(), left, sent });
          await scene.end();
        },
      );
      checkTotals(() => expect(report.faults).toBe(report.runs));
    });
  },
);
