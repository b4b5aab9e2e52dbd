import { cpSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { writeRandomFile } from '../../support/trees.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { checkExit, checkToldError, contentOf } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { workFolder } from '../support/world.ts';
import { checkContent, openScene, OPTIONS, pause, pullOf, pushOf, untilMoving } from './scene.ts';

const MIB = 1024 * 1024;
const NAMES = ['big', 'below/second', ...Array.from({ length: 20 }, (_, i) => `below/small-${i}`)];

function writeTree(root: string): void {
  writeRandomFile(path.join(root, 'big'), 400_000);
  writeRandomFile(path.join(root, 'below/second'), 100_000);
  for (let i = 0; i < 20; i += 1) writeRandomFile(path.join(root, `below/small-${i}`), 2000 + i);
}

function isSame(a: string, b: string): boolean {
  return contentOf(a)?.equals(contentOf(b) ?? Buffer.alloc(0)) === true;
}

test('two pushes of different trees to the same target leave each file whole, from one tree or the other', async () => {
  const { world } = await openScene({ sizeBytes: 1 });
  const trees = [workFolder(world, 'tree-0'), workFolder(world, 'tree-1')];
  for (const tree of trees) writeTree(tree);
  const name = 'push: two clients, two trees, one target';
  await campaign('concurrency', name, { sample: 1, full: 100 }, async (given) => {
    const { seed, random } = given;
    const target = path.join(world.root, `t${seed}`);
    const results = await Promise.all(
      trees.map(async (tree, at) => {
        await pause(random, 80);
        const stateHome = workFolder(world, `home-${seed}-${at}`);
        return world.run(['push', ...OPTIONS, tree, `${world.server.url}/t${seed}`], { stateHome });
      }),
    );
    given.injected();
    for (const result of results) if (result.exitCode !== 0) checkToldError(result, [8, 9, 5]);
    for (const file of NAMES) {
      const from = trees.filter((tree) => isSame(path.join(target, file), path.join(tree, file)));
      if (from.length !== 1) throw new Violation('mixture', `"${file}" is of neither tree`);
    }
    const clientHomes = [0, 1].map((at) => workFolder(world, `home-${seed}-${at}`));
    await checkBackToStart(world, { clientHomes });
  });
  world.checkSurroundings();
});

test('a pull never ends with 0 and a mixture when a push publishes over what it pulls', async () => {
  const scene = await openScene({ sizeBytes: 2 * MIB, bytesPerSecond: 0.3 * MIB });
  const { world, source, content } = scene;
  const old = path.join(workFolder(world, 'old'), 'file');
  writeRandomFile(old, 2 * MIB);
  const name = 'pull: a push publishes over what is being pulled';
  const scale = { sample: 1, full: 100, until: 'exit 9' };
  const report = await campaign('concurrency', name, scale, async (given) => {
    const { seed, random } = given;
    const there = path.join(world.root, 'there');
    rmSync(there, { force: true });
    cpSync(old, there);
    const stateHome = workFolder(world, `home-${seed}`);
    const destination = path.join(workFolder(world, 'pulled'), `t${seed}`);
    const pull = world.start(pullOf(scene, 'there', destination), { stateHome });
    await untilMoving(pull, 1);
    await pause(random, 500);
    const pushed = await world.run(['push', ...OPTIONS, source, `${world.server.url}/there`], {
      stateHome: workFolder(world, 'pusher'),
    });
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    given.injected();
    const pulled = await pull.result;
    const found = contentOf(destination);
    const isWhole = found === undefined || found.equals(content) || found.equals(readFileSync(old));
    if (!isWhole) throw new Violation('mixture', 'what was pulled is of neither file');
    checkExit(pulled, () => found !== undefined);
    const isNamed = pulled.lines.some(
      ({ code, path: named }) => code === 'source-changed' && named !== undefined,
    );
    // There is no rest that arrived: the one file is all that was asked for.
    if (pulled.exitCode !== 0 && !(pulled.exitCode === 9 && isNamed))
      throw new Violation('unclear', `exit ${pulled.exitCode}: ${pulled.stdout.toString()}${pulled.stderr}`);
    given.add(`exit ${pulled.exitCode}`, 1);
    const again = await world.run(pullOf(scene, 'there', destination), { stateHome });
    expect(again, again.stderr).toMatchObject({ exitCode: 0 });
    checkContent(destination, content);
    const clientHomes = [stateHome, workFolder(world, 'pusher')];
    await checkBackToStart(world, { clientHomes, destination: path.dirname(destination) });
  });
  checkTotals(() => expect(report.figures['exit 9']).toBeGreaterThan(0));
  world.checkSurroundings();
});

test('a server that stood still for longer than its clients wait goes on when it wakes', async () => {
  const scene = await openScene();
  const { world } = scene;
  const stoppedMs = 4000;
  const name = 'push: the server stands still, and wakes';
  await campaign('concurrency', name, { sample: 1, full: 12 }, async (given) => {
    const { seed, random } = given;
    const stateHome = workFolder(world, `home-${seed}`);
    const impatient = pushOf(scene, `t${seed}`).map((word) => (word === '20s' ? '1s' : word));
    const run = world.start(seed % 2 === 0 ? impatient : pushOf(scene, `t${seed}`), { stateHome });
    await untilMoving(run);
    await pause(random, 300);
    process.kill(world.server.pid()!, 'SIGSTOP');
    await sleep(stoppedMs);
    process.kill(world.server.pid()!, 'SIGCONT');
    given.injected();
    const first = await run.result;
    if (first.exitCode !== 0) checkToldError(first, [5]);
    const second = await world.run(pushOf(scene, `t${seed}`), { stateHome });
    expect(second, second.stderr).toMatchObject({ exitCode: 0 });
    checkContent(path.join(world.root, `t${seed}`), scene.content);
    await checkBackToStart(world, { clientHomes: [stateHome] });
  });
  world.checkSurroundings();
});

test('many transfers at once that are killed at random each arrive byte for byte', async () => {
  const clients = 8;
  const scene = await openScene({ sizeBytes: 2 * MIB, bytesPerSecond: 3 * MIB });
  const { world, content } = scene;
  const name = `push: ${clients} clients at once, killed at random`;
  await campaign('concurrency', name, { sample: 1, full: 30 }, async (given) => {
    const { seed, random } = given;
    const one = async (client: number): Promise<void> => {
      const stateHome = workFolder(world, `home-${seed}-${client}`);
      const args = pushOf(scene, `t${seed}-${client}`);
      for (let kill = 0; kill < 2; kill += 1) {
        const run = world.start(args, { stateHome });
        // One that ends before it has moved anything has nothing left to move.
        await untilMoving(run, 1).catch(() => undefined);
        await pause(random, 1200);
        if (run.child.exitCode === null) given.injected();
        run.child.kill('SIGKILL');
        await run.result;
      }
      const last = await world.run(args, { stateHome });
      if (last.exitCode !== 0) throw new Violation('unclear', `exit ${last.exitCode}: ${last.stderr}`);
      given.add('resumed KiB', Math.round(Number(last.last['bytesResumed']) / 1024));
      checkContent(path.join(world.root, `t${seed}-${client}`), content);
    };
    await Promise.all(Array.from({ length: clients }, (_, client) => one(client)));
    const clientHomes = Array.from({ length: clients }, (_, client) =>
      workFolder(world, `home-${seed}-${client}`),
    );
    await checkBackToStart(world, { clientHomes });
  });
  world.checkSurroundings();
});
