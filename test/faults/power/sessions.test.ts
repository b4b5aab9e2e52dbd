/** What a client was told of its session outlives a power cut right after the answer. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { Violation } from '../support/violation.ts';
import { createWorld } from '../support/world.ts';
import { advance, establish, resume, type HandSession } from './support/hand-client.ts';
import { createPowerDisk, DISK_KINDS, missingForPowerCuts } from './support/power-disk.ts';
import { cutPower, serverVictim } from './support/power-cut.ts';

/** Answers of one session, each followed by a cut: establish, manifest, plan, and resumes between them. */
const STEPS = 5;

/** The session is there, in a later epoch, with the manifest and the plan that were answered. */
function checkResumed(before: HandSession, { terms }: HandSession): void {
  if (terms.epoch <= before.terms.epoch)
    throw new Violation('lost', `epoch ${before.terms.epoch} was followed by ${terms.epoch}`);
  if (before.manifestId !== null && terms.manifestId !== before.manifestId)
    throw new Violation('lost', `the manifest was answered, and the session has ${terms.manifestId}`);
  if (before.hasPlan && terms.state !== 'open')
    throw new Violation('lost', `the plan was answered, and the session is ${terms.state}`);
}

describe.skipIf(missingForPowerCuts !== '').each(DISK_KINDS)(
  `power cuts of a server between answers, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a session outlives a power cut after every answer that reached its client, and its epochs only rise', async () => {
      const report = await campaign(
        'power',
        `sessions on ${kind.name}: cut right after an answer`,
        { sample: 1, full: 12 },
        async (run) => {
          const disk = createPowerDisk(kind);
          const root = path.join(disk.path, 'root');
          mkdirSync(root);
          disk.sync();
          const { server } = await createWorld({ root });
          let session = await establish(server);
          for (let step = 0; step < STEPS; step += 1) {
            await cutPower({ disks: [disk], victims: [serverVictim(server)] });
            run.injected();
            await server.start({});
            const resumed = await resume(server, session).catch((error: unknown) => {
              throw new Violation('lost', `the session cannot be resumed: ${String(error)}`);
            });
            checkResumed(session, resumed);
            session = resumed;
            // Sometimes the next cut comes right after the answer to a resume.
            if (!session.hasPlan && run.random() < 0.7) session = await advance(server, session);
          }
          run.add('epochs', session.terms.epoch);
          await server.kill();
          await disk.remove();
        },
      );
      checkTotals(() => expect(report.faults).toBeGreaterThan(0));
    });
  },
);
