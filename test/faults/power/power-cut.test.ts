/** Whether the power cut of these suites is one: what was not made durable must be gone. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { contentOf } from '../support/invariants.ts';
import { canTrace, traced } from '../support/strace.ts';
import { createPushScene, createTrees } from './support/push-scene.ts';
import { cutPower } from './support/power-cut.ts';
import { createPowerDisk, DISK_KINDS, missingForPowerCuts, WRITEBACK } from './support/power-disk.ts';

const BYTES = Buffer.alloc(300_000, 'x');

function syncedFile(file: string): void {
  const fd = openSync(file, 'w');
  writeSync(fd, BYTES);
  fsyncSync(fd);
  closeSync(fd);
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

describe.skipIf(missingForPowerCuts !== '').each([...DISK_KINDS, WRITEBACK])(
  `control of the power cut, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a simulated power cut keeps what was synced, and loses what was only written', async () => {
      const report = await campaign(
        'power',
        `control on ${kind.name}: what was only written is gone`,
        { sample: 1, full: 3 },
        async ({ injected, add }) => {
          const disk = createPowerDisk(kind);
          const at = (name: string): string => path.join(disk.path, name);
          mkdirSync(at('folder'));
          syncedFile(at('folder/synced'));
          syncDirectory(at('folder'));
          syncDirectory(disk.path);
          writeFileSync(at('folder/written'), BYTES);
          renameSync(at('folder/synced'), at('folder/renamed'));
          await cutPower({ disks: [disk], victims: [] });
          injected();
          expect(readFileSync(at('folder/synced')).equals(BYTES)).toBe(true);
          expect(contentOf(at('folder/renamed'))).toBeUndefined();
          // ext4 may have kept the name of the file; its bytes must be gone.
          const written = contentOf(at('folder/written'))?.length ?? 0;
          expect(written).toBeLessThan(BYTES.length);
          add('lost KiB that nobody synced', (BYTES.length - written) / 1024);
          await disk.remove();
        },
      );
      checkTotals(() => expect(report.faults).toBeGreaterThan(0));
    });
  },
);

describe.skipIf(missingForPowerCuts !== '' || !canTrace).each(DISK_KINDS)(
  `control of the checks, on $name${missingForPowerCuts}${canTrace ? '' : ' (needs strace)'}`,
  (kind) => {
    test('the checks find a server out whose syncs do nothing: what it acknowledged is lost', async () => {
      const trees = createTrees();
      const report = await campaign(
        'power',
        `control on ${kind.name}: a server whose syncs do nothing is found out`,
        { sample: 1, full: 3 },
        async ({ injected, add }) => {
          const scene = await createPushScene({ kind, trees });
          await scene.world.server.stop();
          const inject = ['fdatasync:retval=0', 'fsync:retval=0', 'syncfs:retval=0'];
          await scene.world.server.start(traced({ inject }));
          const push = scene.push();
          await scene.tap.nextAcknowledgement();
          const found = await scene.cut().catch((error: unknown) => error);
          injected();
          expect(found).toMatchObject({ name: 'Violation', kind: 'lost' });
          add('acknowledged chunks', scene.tap.acknowledged.size);
          push.child.kill('SIGKILL');
          await push.result;
          await scene.end();
        },
      );
      checkTotals(() => expect(report.figures['acknowledged chunks']).toBeGreaterThan(0));
    });
  },
);
