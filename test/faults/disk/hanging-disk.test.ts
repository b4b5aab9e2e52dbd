import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { untilLine } from '../../support/cli.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { temporaryDirectory, writeRandomFile } from '../../support/trees.ts';
import { attach } from '../support/attach.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace } from '../support/strace.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder } from '../support/world.ts';
import { checkFailure, OPTIONS } from './scene.ts';

const MIB = 1024 * 1024;
/** Longer than any test lasts. */
const HANG = 'fdatasync:delay_enter=600000000';

/** The state of a thread, as proc(5) writes it: `t` while a tracer holds it, `Z` when it has ended. */
function stateOf(pid: number, thread: number): string | undefined {
  return readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(') ')[1]?.[0];
}

/** Resolves when the only thread of the pool stands in a call that strace holds back. */
async function untilItHangs(pid: number): Promise<void> {
  const isHeld = (thread: string): boolean => stateOf(pid, Number(thread)) === 't';
  // A thread that is merely between two calls is held for an instant: it has to be seen several times.
  for (let seen = 0; seen < 5; await sleep(40))
    seen = readdirSync(`/proc/${pid}/task`).some(isHeld) ? seen + 1 : 0;
}

test.skipIf(!canTrace)(
  'a second SIGTERM ends a client at once whose disk hangs, and the same command finishes (needs strace)',
  async () => {
    const world = await createWorld();
    writeRandomFile(path.join(world.root, 'there'), 4 * MIB);
    const content = readFileSync(path.join(world.root, 'there'));
    const proxy = await startCuttingProxy({ targetPort: world.server.port, bytesPerSecond: MIB });
    const name = 'pull: SIGTERM twice to a client whose disk hangs';
    const report = await campaign('disk', name, { sample: 1, full: 10 }, async ({ seed, injected }) => {
      const stateHome = workFolder(world, `home-${seed}`);
      const destination = path.join(temporaryDirectory(), 'pulled');
      const args = ['pull', ...OPTIONS, `http://127.0.0.1:${proxy.port}/there`, destination];
      const run = world.start(args, { stateHome, env: { UV_THREADPOOL_SIZE: '1' } });
      let told = '';
      run.child.stderr!.on('data', (bytes: Buffer) => (told += bytes.toString()));
      await untilLine(run, (line) => Number(line['bytesDone']) > 64 * 1024);
      const disk = await attach(run.child.pid!, { calls: ['fdatasync'], inject: [HANG] });
      await untilItHangs(run.child.pid!);
      run.child.kill('SIGTERM');
      while (!told.includes('once more')) await sleep(20);
      run.child.kill('SIGTERM');
      injected(2);
      // strace holds the thread even of a process that has ended: its main thread shows that it has.
      while (stateOf(run.child.pid!, run.child.pid!) !== 'Z') await sleep(20);
      await disk.kill();
      const { signal, exitCode } = await run.result;
      if (signal !== 'SIGTERM')
        throw new Violation('unclear', `the second signal did not end it: exit ${exitCode}`);
      checkFailure(await world.run(args, { stateHome }), [0], undefined);
      expect(readFileSync(destination).equals(content)).toBe(true);
    });
    checkTotals(() => expect(report.faults).toBeGreaterThan(0));
    await proxy.close();
    world.checkSurroundings();
  },
);
