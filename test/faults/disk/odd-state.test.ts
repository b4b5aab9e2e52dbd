import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { obeyingPermissions } from '../../support/requirements.ts';
import { pictureOf, temporaryDirectory } from '../../support/trees.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign } from '../support/campaign.ts';
import { checkToldError } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { checkFinished, startOver, stopPush, type StoppedPush } from './stopped.ts';

/** What may become of a session's record between two runs of the server. */
const RECORDS: Readonly<Record<string, (record: string) => void>> = {
  'is empty': (record) => truncateSync(record, 0),
  'was cut': (record) => truncateSync(record, Math.floor(readFileSync(record).length / 2)),
  'is noise': (record) => writeFileSync(record, Buffer.from([0, 255, 7, 1])),
  'is of somebody else': (record) =>
    writeFileSync(record, JSON.stringify({ ...JSON.parse(readFileSync(record, 'utf8')), id: 'another' })),
  'is gone': (record) => rmSync(record),
};

test('a session with a damaged record is gone, its client starts over, and the server serves', async () => {
  const push = await stopPush();
  const kinds = Object.entries(RECORDS);
  const name = 'push: the record of the session is damaged';
  await campaign('disk', name, { sample: 2, full: 2 * kinds.length }, async (given) => {
    const [what, damage] = kinds[given.seed % kinds.length]!;
    damage(push.record);
    given.injected();
    const result = await push.finish();
    if (!push.isPublished() || result.exitCode !== 0)
      throw new Violation('unclear', `${what}: exit ${result.exitCode}: ${result.stderr}`);
    // What was staged of it belongs to nobody now: a later start frees it.
    await checkBackToStart(push.world, { mayForget: true });
    await push.server.stop();
    given.add('started over', Number(result.last['bytesSent']) >= push.content.length ? 1 : 0);
    push.restore();
  });
});

test('a server touches nothing outside of its root through links in its state directory', async () => {
  const push = await stopPush();
  const name = 'server: links in place of directories of its state';
  const links = ['staging', `staging/${push.sessionId}`, 'sessions', 'lock'];
  await campaign('disk', name, { sample: 3, full: 3 * links.length }, async (given) => {
    const link = path.join(push.root, '.cairn', links[given.seed % links.length]!);
    const outside = temporaryDirectory();
    const aside = path.join(temporaryDirectory(), 'aside');
    renameSync(link, aside);
    writeFileSync(path.join(outside, 'precious'), 'of somebody else');
    const before = pictureOf(outside);
    symlinkSync(outside, link);
    given.injected();
    const outcome = await startOver(push);
    if (outcome === 'serves') {
      const result = await push.finish();
      await push.server.stop();
      if (result.exitCode !== 0) checkToldError(result, [2, 8, 9, 10]);
      given.add('serves', 1);
    } else {
      checkToldError(outcome, [2, 8, 9]);
      given.add('refuses to start', 1);
    }
    const after = pictureOf(outside);
    if (JSON.stringify(after) !== JSON.stringify(before))
      throw new Violation('outside', `behind the link "${link}": ${Object.keys(after).join(', ')}`);
    push.world.checkSurroundings();
    rmSync(link, { force: true });
    push.restore();
  });
});

const NOBODY = 65_534;

test.skipIf(obeyingPermissions === undefined || process.getuid?.() !== 0)(
  'a server refuses a state that it may not read or write with 2 or 9, and goes on later (needs root and setpriv)',
  async () => {
    const push = await stopPush();
    const spoilers: readonly [string, (to: StoppedPush) => void][] = [
      ['the record is not readable', ({ record }) => chmodSync(record, 0)],
      ['the journal is not readable', ({ journal }) => chmodSync(journal, 0)],
      [
        'the staging belongs to another',
        ({ staging }) => {
          chownSync(staging, NOBODY, NOBODY);
          chmodSync(staging, 0o500);
        },
      ],
      ['the state is not writable', ({ root }) => chmodSync(path.join(root, '.cairn'), 0o500)],
    ];
    const name = 'server: a state without permission';
    await campaign('disk', name, { sample: 2, full: 3 * spoilers.length }, async (given) => {
      const [what, spoil] = spoilers[given.seed % spoilers.length]!;
      spoil(push);
      given.injected();
      const outcome = await startOver(push, obeyingPermissions);
      if (outcome === 'serves') given.add('serves', 1);
      else {
        given.add('refuses to start', 1);
        try {
          checkToldError(outcome, [2, 9]);
        } catch (error) {
          throw new Error(`${what}: ${String(error)}`, { cause: error });
        }
      }
      push.restore();
      await checkFinished(push, await push.finish());
      await push.server.stop();
      push.restore();
    });
  },
);

test('a directory in place of a file of the state ends a push with 2 or 9 or not at all, and loses nothing', async () => {
  const push = await stopPush();
  const name = 'push: a directory in place of a file of the state';
  const files = (): string[] => [push.record, push.journal, push.clientJournal, push.clientRecord];
  await campaign('disk', name, { sample: 2, full: 8 }, async (given) => {
    const file = files()[given.seed % 4]!;
    rmSync(file);
    mkdirSync(file);
    given.injected();
    const outcome = await startOver(push);
    if (outcome === 'serves') {
      const result = await push.finish();
      await push.server.stop();
      if (result.exitCode !== 0) checkToldError(result, [2, 9]);
      given.add(`exit ${result.exitCode}`, 1);
      expect(result.exitCode !== 0 || push.isPublished()).toBe(true);
    } else {
      checkToldError(outcome, [2, 9]);
      given.add('refuses to start', 1);
    }
    push.restore();
    await checkFinished(push, await push.finish());
    await push.server.stop();
    push.restore();
  });
});
