import { expect, test } from 'vitest';
import { type CliRun } from '../../support/cli.ts';
import { startCuttingProxy, type CuttingProxy } from '../../support/cutting-proxy.ts';
import { campaign, IS_FULL, type FaultRun } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace } from '../support/strace.ts';
import { Violation } from '../support/violation.ts';
import { recordClient } from './client-kill.ts';
import { checkEndedWell, checkIdle, outliveForgotten, remember, serverOf, whileFrozen } from './running.ts';
import { openScene, prepareScenario, type Scenario, type Scene } from './scenario.ts';
import { recordServer } from './server-kill.ts';
import { endClientAt, endServerAt } from './signals.ts';
import { stepOf, type Step } from './steps.ts';

interface Case {
  readonly side: 'server' | 'client';
  readonly direction: 'push' | 'pull';
  readonly record: (scenario: Scenario) => Promise<Step[]>;
  readonly end: (scenario: Scenario, step: Step, run: FaultRun) => Promise<void>;
}

const server = { side: 'server', record: recordServer, end: endServerAt } as const;
const client = { side: 'client', record: recordClient, end: endClientAt } as const;

test.skipIf(!canTrace).each<Case>([
  { ...server, direction: 'push' },
  { ...server, direction: 'pull' },
  { ...client, direction: 'push' },
  { ...client, direction: 'pull' },
])(
  'a $side that gets SIGTERM at any step of a $direction ends in order, and the transfer is finished later',
  async ({ side, direction, record, end }) => {
    const scenario = await prepareScenario(direction);
    const steps = await record(scenario);
    const name = `SIGTERM to the ${side} at any step of a ${direction}`;
    const report = await campaign('crash', name, { sample: 2, full: steps.length }, (run) =>
      end(scenario, stepOf(steps, run.seed), run),
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(IS_FULL ? steps.length * 0.8 : 0));
  },
);

/** A transfer that was caught in the middle: nothing moves any more, and the side that is left waits for the other. */
async function interruptInMiddle(
  scenario: Scenario,
  work: (scene: Scene, client: CliRun, line: CuttingProxy) => Promise<void>,
): Promise<void> {
  let proxy: CuttingProxy | undefined;
  const scene = await openScene(scenario, async (targetPort) => {
    proxy = await startCuttingProxy({ targetPort, bytesPerSecond: 100_000 });
    return proxy.port;
  });
  await scene.world.server.start();
  const run = scene.world.start(scene.args);
  // More than all messages before the first chunk. What the client says of its progress comes when it has given all away.
  await expect.poll(() => proxy!.bytesUp, { timeout: 30_000, interval: 10 }).toBeGreaterThan(60_000);
  await work(scene, run, proxy!);
  await proxy!.close();
  scene.world.remove();
}

/** Sends SIGTERM, waits until it was heard, and sends it once more. */
async function terminateTwice(pid: number, isHeard: () => boolean): Promise<void> {
  process.kill(pid, 'SIGTERM');
  while (!isHeard()) await new Promise((resolve) => setTimeout(resolve, 10));
  process.kill(pid, 'SIGTERM');
}

/** A first signal alone would have made it end with an exit code of its own, after it had waited for the other side. */
function checkAtOnce(signal: NodeJS.Signals | null, exitCode: number | null): void {
  if (signal !== 'SIGTERM')
    throw new Violation('unclear', `the second signal did not end it: exit ${exitCode}`);
}

test('a second SIGTERM ends a client at once that waits for its server, and the same command finishes', async () => {
  const scenario = await prepareScenario('push');
  const report = await campaign('crash', 'SIGTERM twice to a client', { sample: 1, full: 10 }, (run) =>
    interruptInMiddle(scenario, async (scene, running) => {
      const { world } = scene;
      let told = '';
      running.child.stderr!.on('data', (bytes: Buffer) => (told += bytes.toString()));
      await whileFrozen(serverOf(scene), async () => {
        await terminateTwice(running.child.pid!, () => told.includes('to resume, run:'));
        const { signal, exitCode } = await running.result;
        checkAtOnce(signal, exitCode);
        run.injected(2);
      });
      const remembered = new Set<string>();
      remember(scene, remembered);
      checkEndedWell(scene, await world.run(scene.args));
      await outliveForgotten(scene, remembered);
      await checkIdle(scene);
    }),
  );
  checkTotals(() => expect(report.faults).toBeGreaterThan(0));
});

test('a second SIGTERM ends a server at once that waits for its client, which finishes after a restart', async () => {
  const scenario = await prepareScenario('push');
  const report = await campaign('crash', 'SIGTERM twice to a server', { sample: 1, full: 10 }, (run) =>
    interruptInMiddle(scenario, async (scene, running, line) => {
      const { server: serving } = scene.world;
      // What is under way stays so: a server that has nothing left to wait for needs no second signal.
      line.pause();
      await whileFrozen(running.child, async () => {
        await terminateTwice(serving.pid()!, () => serving.log().includes('"draining"'));
        const { signal, exitCode } = await serving.ended();
        if (exitCode === 0) run.add('had nothing left to wait for', 1);
        else {
          checkAtOnce(signal, exitCode);
          run.injected(2);
        }
      });
      line.resume();
      await serving.start();
      checkEndedWell(scene, await running.result);
      await checkIdle(scene);
    }),
  );
  checkTotals(() => expect(report.faults).toBeGreaterThan(0));
});
