/** A server loses its power while it starts for the first time: nothing of its state may be half-made. */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliRun } from '../../support/cli.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { campaign, type FaultRun } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace, traced } from '../support/strace.ts';
import { Violation } from '../support/violation.ts';
import { createPowerDisk, missingForPowerCuts, DISK_KINDS, type DiskKind } from './support/power-disk.ts';
import { cutPower, victimOf } from './support/power-cut.ts';
import { freePort } from '../../support/free-port.ts';

/** Longer than a start takes. */
const LONGEST_WAIT_MS = 700;
/** What a first start does to the disk, and how often at least. */
const SYSTEM_CALLS = [
  { name: 'mkdir', atMost: 2 },
  { name: 'link', atMost: 1 },
  { name: 'pwrite64', atMost: 3 },
  { name: 'fdatasync', atMost: 2 },
  { name: 'rename', atMost: 2 },
  { name: 'fsync', atMost: 4 },
] as const;

interface Place {
  readonly root: string;
  readonly port: number;
  readonly stateHome: string;
}

function serve({ root, port, stateHome }: Place, more: Partial<CliEnvironment> = {}): CliRun {
  const words = ['serve', '--root', root, '--listen', `127.0.0.1:${port}`, '--json'];
  return startCairn(words, { stateHome, ...more });
}

/** The secret that a server has announced, where it got so far. */
async function announcedSecret({ root }: Place, run: CliRun): Promise<string | undefined> {
  const listening = untilLine(run, (line) => line['type'] === 'listening');
  return listening.then(
    () => readFileSync(path.join(root, '.cairn/token'), 'utf8'),
    () => undefined,
  );
}

/** Starts a server for the first time, cuts the power at `moment`, and starts it again: it must work. */
async function startThroughCut(
  kind: DiskKind,
  { injected, add }: FaultRun,
  start: {
    moment: (run: CliRun, announced: Promise<unknown>) => Promise<unknown>;
    more?: Partial<CliEnvironment>;
  },
): Promise<void> {
  const disk = createPowerDisk(kind);
  const place = {
    root: path.join(disk.path, 'root'),
    port: await freePort(),
    stateHome: temporaryDirectory(),
  };
  mkdirSync(place.root);
  disk.sync();
  const first = serve(place, start.more);
  let announced: string | undefined;
  const announcement = announcedSecret(place, first).then((secret) => (announced = secret));
  await start.moment(first, announcement);
  const before = announced;
  await cutPower({ disks: [disk], victims: [victimOf(first)] });
  injected();
  await announcement;
  const second = serve(place);
  const secret = await announcedSecret(place, second);
  if (secret === undefined) {
    const { exitCode, stderr } = await second.result;
    throw new Violation('unclear', `after the cut the server ended with ${exitCode}:\n${stderr}`);
  }
  if (before !== undefined) {
    add('cut after the token was announced', 1);
    if (before !== secret) throw new Violation('lost', 'a token that was announced is another one now');
  }
  checkPrivate(path.join(place.root, '.cairn'), 0o700);
  checkPrivate(path.join(place.root, '.cairn/token'), 0o600);
  const listed = await cairn(['ls', `http://127.0.0.1:${place.port}/`], {
    stateHome: temporaryDirectory(),
    token: secret.trim(),
  });
  expect(listed, listed.stderr).toMatchObject({ exitCode: 0 });
  second.child.kill('SIGTERM');
  expect(await second.result).toMatchObject({ exitCode: 0 });
  await disk.remove();
}

function checkPrivate(file: string, mode: number): void {
  const found = statSync(file).mode & 0o777;
  if (found !== mode) throw new Violation('secret', `"${file}" has mode ${found.toString(8)}`);
}

describe.skipIf(missingForPowerCuts !== '').each(DISK_KINDS)(
  `power cuts in the first start of a server, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a server that loses its power in its first start starts again, and keeps a token that it has announced', async () => {
      const report = await campaign(
        'power',
        `first start on ${kind.name}: cuts at random moments`,
        { sample: 1, full: 20 },
        (run) =>
          startThroughCut(kind, run, {
            moment: (server) => Promise.race([sleep(run.random() * LONGEST_WAIT_MS), server.result]),
          }),
      );
      checkTotals(() => expect(report.faults).toBeGreaterThan(0));
    });

    test('a server that loses its power right after it announced its token keeps that token', async () => {
      const report = await campaign(
        'power',
        `first start on ${kind.name}: cut right after the token was announced`,
        { sample: 1, full: 10, until: 'cut after the token was announced' },
        (run) =>
          startThroughCut(kind, run, {
            moment: (_, announced) => announced,
          }),
      );
      checkTotals(() => expect(report.figures['cut after the token was announced']).toBeGreaterThan(0));
    });

    test.skipIf(!canTrace)(
      `a server that loses its power at the Nth system call of its first start starts again${canTrace ? '' : ' (needs strace)'}`,
      async () => {
        const calls = SYSTEM_CALLS.flatMap(({ name, atMost }) =>
          Array.from({ length: atMost }, (_, index) => ({ name, when: index + 1 })),
        );
        const report = await campaign(
          'power',
          `first start on ${kind.name}: cut right before the Nth sync, write, link or rename`,
          { sample: 2, full: calls.length, until: 'at the call' },
          async (run) => {
            const { name, when } = calls[(run.seed * 5) % calls.length]!;
            const { before, env } = traced({ inject: [`${name}:signal=SIGKILL:when=${when}`] });
            const moment = async (server: CliRun, announced: Promise<unknown>): Promise<void> => {
              await Promise.race([server.result, announced]);
              if (server.child.signalCode === 'SIGKILL') run.add('at the call', 1);
            };
            await startThroughCut(kind, run, { moment, more: { before, env } });
          },
        );
        checkTotals(() => expect(report.figures['at the call']).toBeGreaterThan(0));
      },
    );
  },
);
