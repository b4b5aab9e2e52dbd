import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { CliResult } from '../../support/cli.ts';
import { canMount } from '../../support/requirements.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkToldError } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { workFolder } from '../support/world.ts';
import { checkContent, copyHome, openScene, pause, pullOf, pushOf, untilMoving } from './scene.ts';

/** Whether a client can be given a disk of its own. */
const canHaveDisks = canMount && spawnSync('unshare', ['-m', 'true']).status === 0;

/** Processes that start the same command at the same time. */
const AT_A_TIME = 4;
/** What a second client has time to begin with before the first one is done with it. */
const LONG_BYTES = 8 * 1024 * 1024;

/** One ends well, the other with 8; or both end well, where the second came when nothing was left to fight about. */
function checkOneWriter(results: readonly CliResult[]): void {
  for (const result of results) checkToldErrorUnlessDone(result, [8]);
  if (!results.some(({ exitCode }) => exitCode === 0))
    throw new Violation('unclear', `nobody finished: ${results.map(({ exitCode }) => exitCode).join(', ')}`);
}

function checkToldErrorUnlessDone(result: CliResult, exitCodes: readonly number[]): void {
  if (result.exitCode !== 0) checkToldError(result, exitCodes);
}

test('the newer of two clients with the same state finishes a push, and the older stops with 8', async () => {
  const scene = await openScene({ sizeBytes: LONG_BYTES });
  const { world } = scene;
  const name = 'push: two clients resume the same session';
  const scale = { sample: 1, full: 150, until: 'stopped with 8' };
  const report = await campaign('concurrency', name, scale, async (given) => {
    const { seed, random } = given;
    const args = pushOf(scene, `t${seed}`);
    const home = workFolder(world, `home-${seed}`);
    const copy = path.join(world.directory, 'work', `copy-${seed}`);
    const first = world.start(args, { stateHome: home });
    await untilMoving(first);
    first.child.kill('SIGKILL');
    await first.result;
    copyHome(home, copy);
    const older = world.start(args, { stateHome: home });
    await pause(random, 900);
    const newer = world.start(args, { stateHome: copy });
    const results = await Promise.all([older.result, newer.result]);
    given.injected();
    checkOneWriter(results);
    given.add('stopped with 8', results.filter(({ exitCode }) => exitCode === 8).length);
    checkContent(path.join(world.root, `t${seed}`), scene.content);
    for (const stateHome of [home, copy]) {
      const last = await world.run(args, { stateHome });
      if (last.exitCode !== 0) throw new Violation('unclear', `exit ${last.exitCode}: ${last.stderr}`);
    }
    await checkBackToStart(world, { clientHomes: [home, copy] });
  });
  checkTotals(() => expect(report.figures['stopped with 8']).toBeGreaterThan(0));
  world.checkSurroundings();
});

/**
 * What a pull has staged belongs to the place of its state: only on the clone of a machine, with its own disk, another
 * client has the same session.
 */
test.skipIf(!canHaveDisks)(
  'the newer of two cloned machines finishes a pull, and the older stops with 8 (needs root and unshare)',
  async () => {
    const scene = await openScene({ sizeBytes: LONG_BYTES });
    const { world } = scene;
    await world.run(pushOf(scene, 'there'));
    const name = 'pull: two clients resume the same session';
    const scale = { sample: 1, full: 100, until: 'stopped with 8' };
    const report = await campaign('concurrency', name, scale, async (given) => {
      const { seed, random } = given;
      const machine = workFolder(world, `machine-${seed}`);
      const clone = workFolder(world, `clone-${seed}`);
      const [home, pulled] = [path.join(machine, 'home'), path.join(machine, 'pulled')];
      for (const folder of [home, pulled]) mkdirSync(folder);
      const args = pullOf(scene, 'there', path.join(pulled, 'file'));
      const first = world.start(args, { stateHome: home });
      await untilMoving(first);
      first.child.kill('SIGKILL');
      await first.result;
      copyHome(machine, clone);
      const older = world.start(args, { stateHome: home });
      await pause(random, 500);
      const script = `mount --bind '${clone}' '${machine}' && exec "$@"`;
      const before = ['unshare', '-m', 'sh', '-c', script, 'sh'];
      const newer = world.start(args, { stateHome: home, before });
      const results = await Promise.all([older.result, newer.result]);
      given.injected();
      checkOneWriter(results);
      given.add('stopped with 8', results.filter(({ exitCode }) => exitCode === 8).length);
      for (const [at, disk] of [machine, clone].entries()) {
        if (results[at]!.exitCode === 0) checkContent(path.join(disk, 'pulled/file'), scene.content);
        // Also the one that was told to stop: the session is over, and what it needs has to be in another one.
        const last = await world.run(args, { stateHome: home, ...(disk === clone ? { before } : {}) });
        if (last.exitCode !== 0) throw new Violation('unclear', `exit ${last.exitCode}: ${last.stderr}`);
        checkContent(path.join(disk, 'pulled/file'), scene.content);
        await checkBackToStart(world, {
          clientHomes: [path.join(disk, 'home')],
          destination: path.join(disk, 'pulled'),
        });
      }
    });
    checkTotals(() => expect(report.figures['stopped with 8']).toBeGreaterThan(0));
  },
);

test.each(['push', 'pull'] as const)(
  'a client that slept through a takeover stops with 8 when it wakes in a %s',
  async (direction) => {
    const scene = await openScene();
    const { world } = scene;
    if (direction === 'pull')
      await world.run(pushOf(scene, 'there'), { stateHome: workFolder(world, 'home') });
    const name = `${direction}: a paused client wakes after another took over`;
    await campaign('concurrency', name, { sample: 1, full: 60 }, async (given) => {
      const { seed, random } = given;
      const home = workFolder(world, `home-${seed}`);
      const copy = path.join(world.directory, 'work', `copy-${seed}`);
      const places = [home, copy].map((_, at) => path.join(workFolder(world, 'pulled'), `t${seed}-${at}`));
      const argsOf = (at: number): string[] =>
        direction === 'push' ? pushOf(scene, `t${seed}`) : pullOf(scene, 'there', places[at]!);
      const sleeper = world.start(argsOf(0), { stateHome: home });
      await untilMoving(sleeper);
      await pause(random, 300);
      sleeper.child.kill('SIGSTOP');
      copyHome(home, copy);
      // Of a pull the other one wants the same place; its record says where.
      const other = await world.run(argsOf(0), { stateHome: copy });
      given.injected();
      expect(other, other.stderr).toMatchObject({ exitCode: 0 });
      const arrived = direction === 'push' ? path.join(world.root, `t${seed}`) : places[0]!;
      checkContent(arrived, scene.content);
      sleeper.child.kill('SIGCONT');
      const woken = await sleeper.result;
      checkToldErrorUnlessDone(woken, [8, 10]);
      given.add(`woke with ${woken.exitCode}`, 1);
      if (direction === 'push' && woken.exitCode === 0)
        throw new Violation('false-success', 'a client that was replaced says that it is done');
      checkContent(arrived, scene.content);
      const last = await world.run(argsOf(0), { stateHome: home });
      expect(last, last.stderr).toMatchObject({ exitCode: 0 });
      const staged = direction === 'push' ? {} : { destination: path.dirname(arrived) };
      await checkBackToStart(world, { clientHomes: [home, copy], ...staged });
    });
    world.checkSurroundings();
  },
);

test('the second of two processes with the same command exits with 8 at once while the first lives', async () => {
  // Longer than a thousand starts take.
  const scene = await openScene({ sizeBytes: 128 * 1024 * 1024, bytesPerSecond: 250_000 });
  const { world } = scene;
  const args = pushOf(scene, 'held');
  const first = world.start(args);
  await untilMoving(first, 1);
  const name = 'push: another process starts the same command';
  const report = await campaign('concurrency', name, { sample: 1, full: 250 }, async (given) => {
    if (first.child.exitCode !== null) throw new Error('the first has ended: the line must be slower');
    const others = await Promise.all(Array.from({ length: AT_A_TIME }, () => world.run(args)));
    given.injected(AT_A_TIME);
    const wrong = others.find(({ exitCode, last }) => exitCode !== 8 || last['code'] !== 'transfer-locked');
    if (wrong !== undefined) throw new Violation('unclear', `exit ${wrong.exitCode}: ${wrong.stderr}`);
  });
  checkTotals(() => expect(report.faults).toBe(AT_A_TIME * report.runs));
  first.child.kill('SIGKILL');
  await first.result;
  // What was begun would take minutes to finish.
  world.checkSurroundings();
});

test('a process that was killed never blocks the next one with the same command', async () => {
  const scene = await openScene({ sizeBytes: 400_000 });
  const { world } = scene;
  const name = 'push: the holder of the lock is killed';
  await campaign('concurrency', name, { sample: 1, full: 200 }, async (given) => {
    const { seed, random } = given;
    const stateHome = workFolder(world, `home-${seed}`);
    const args = pushOf(scene, `t${seed}`);
    const killed = world.start(args, { stateHome });
    // From before the lock is taken until after it was let go.
    await sleep(250 + Math.round(random() * 400));
    killed.child.kill('SIGKILL');
    await killed.result;
    given.injected();
    const next = await world.run(args, { stateHome });
    if (next.exitCode !== 0) throw new Violation('unclear', `exit ${next.exitCode}: ${next.stderr}`);
    checkContent(path.join(world.root, `t${seed}`), scene.content);
    await checkBackToStart(world, { clientHomes: [stateHome], mayForget: true });
  });
  world.checkSurroundings();
});

test('a second server on the same root or state is refused with 8, and the first goes on', async () => {
  const scene = await openScene({ sizeBytes: 100_000 });
  const { world } = scene;
  const other = workFolder(world, 'other-root');
  const state = path.join(world.root, '.cairn');
  const name = 'server: a second one on the same root or state';
  await campaign('concurrency', name, { sample: 1, full: 40 }, async (given) => {
    const roots = given.seed % 2 === 0 ? ['--root', other, '--state', state] : ['--root', world.root];
    const second = await world.run(['serve', ...roots, '--listen', '127.0.0.1:0'], {
      env: { UV_THREADPOOL_SIZE: '4' },
    });
    given.injected();
    checkToldError(second, [8]);
    const pushed = await world.run(pushOf(scene, `t${given.seed}`));
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    checkContent(path.join(world.root, `t${given.seed}`), scene.content);
    await checkBackToStart(world);
  });
  rmSync(other, { recursive: true });
  expect(readdirSync(world.root).filter((entry) => entry.startsWith('t')).length).toBeGreaterThan(0);
});
