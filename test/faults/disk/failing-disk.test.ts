import { spawnSync } from 'node:child_process';
import { readFileSync, unlinkSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { untilLine } from '../../support/cli.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { canMount, mountTmpfs } from '../../support/requirements.ts';
import { fetchPublished } from '../../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../../support/trees.ts';
import { attach, countInjected } from '../support/attach.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkClaims, checkToldError } from '../support/invariants.ts';
import { canTrace } from '../support/strace.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder } from '../support/world.ts';
import {
  checkFailure,
  openScene,
  OPTIONS,
  publishSource,
  pullThroughFault,
  pushOf,
  pushThroughFault,
} from './scene.ts';

const MIB = 1024 * 1024;

function remount(directory: string, how: 'ro' | 'rw'): void {
  const done = spawnSync('mount', ['-o', `remount,${how}`, directory]);
  // Whatever is open for writing keeps a file system writable.
  if (done.status !== 0) throw new Error(done.stderr.toString());
}

/** What a read-only file system refuses. */
const CHANGES = [
  'pwrite64',
  'pwritev',
  'mkdir',
  'mkdirat',
  'rename',
  'renameat',
  'link',
  'unlink',
  'unlinkat',
];

test.skipIf(!canTrace)(
  'a transfer to a disk that suddenly takes no change ends with 9, and goes on later (needs strace)',
  async () => {
    const scene = await openScene();
    publishSource(scene);
    const name = 'push and pull: read-only from the Nth call on';
    const { faults } = await campaign('disk', name, { sample: 2, full: 120 }, async (given) => {
      const { seed, random } = given;
      const at = 1 + Math.floor(random() * 8);
      const inject = CHANGES.map((call) => `${call}:error=EROFS:when=${at}+`);
      const through = seed % 2 === 0 ? pushThroughFault : pullThroughFault;
      await through(scene, `t${seed}`, inject, { exitCodes: [0, 9], given });
    });
    checkTotals(() => expect(faults).toBeGreaterThan(0));
    scene.world.checkSurroundings();
  },
);

test.skipIf(!canMount)(
  'a pull to a disk that was remounted read-only ends with 9, and goes on later (needs mount)',
  async () => {
    const world = await createWorld();
    const directory = path.join(temporaryDirectory(), 'disk');
    mountTmpfs(directory, 40 * MIB);
    const proxy = await startCuttingProxy({ targetPort: world.server.port, bytesPerSecond: 3 * MIB });
    writeRandomFile(path.join(world.root, 'there'), 3 * MIB);
    const content = readFileSync(path.join(world.root, 'there'));
    const name = 'pull: the disk was mounted read-only';
    await campaign('disk', name, { sample: 1, full: 20 }, async (given) => {
      const { seed, random } = given;
      const stateHome = workFolder(world, `home-${seed}`);
      const destination = path.join(directory, `pulled-${seed}`);
      const args = ['pull', ...OPTIONS, `http://127.0.0.1:${proxy.port}/there`, destination];
      const run = world.start(args, { stateHome });
      const from = 1 + random() * MIB;
      await untilLine(run, (line) => Number(line['bytesDone']) > from);
      run.child.kill('SIGKILL');
      await run.result;
      remount(directory, 'ro');
      given.injected();
      checkFailure(await world.run(args, { stateHome }), [9], undefined);
      await checkClaims(directory);
      remount(directory, 'rw');
      const last = await world.run(args, { stateHome });
      checkFailure(last, [0], undefined);
      given.add('resumed KiB', Number(last.last['bytesResumed']) / 1024);
      if (!readFileSync(destination).equals(content))
        throw new Violation('false-success', 'not what was sent');
      await checkBackToStart(world, { clientHomes: [stateHome], destination: directory });
      unlinkSync(destination);
    });
    await proxy.close();
    world.checkSurroundings();
  },
);

test.skipIf(!canTrace)(
  'a push of a source that cannot be read names it, pushes the rest, and ends with 3 (needs strace)',
  async () => {
    const scene = await openScene();
    const { world, source } = scene;
    // What a read at once does not bring is read in the usual way: the fault has to last until then. A file of the last
    // minute would be read as it is found, too.
    utimesSync(path.join(source, 'big'), 1, 1);
    const name = 'push: a read of the source fails';
    const report = await campaign('disk', name, { sample: 1, full: 40 }, async (given) => {
      const { seed } = given;
      const stateHome = workFolder(world, `home-${seed}`);
      const big = path.join(source, 'big');
      const words = ['-f', '-qq', '-D', '-o', path.join(stateHome, 'trace'), '-P', big];
      const inject = [`pread64,read:error=${seed % 2 === 0 ? 'EIO' : 'EACCES'}:when=${1 + (seed % 4)}+`];
      const before = ['strace', ...words, '-e', 'trace=pread64,read', '-e', `inject=${inject[0]}`, '--'];
      const first = await world.run(pushOf(scene, `t${seed}`), {
        stateHome,
        before,
        env: { UV_THREADPOOL_SIZE: '1' },
      });
      const injected = countInjected(readFileSync(path.join(stateHome, 'trace'), 'utf8'));
      given.injected(injected);
      if (injected > 0) {
        if (first.exitCode !== 3) throw new Violation('unclear', `exit ${first.exitCode}: ${first.stderr}`);
        expect(first.stdout.toString()).toContain('"path":"big"');
        expect(await fetchPublished(world.server, `/t${seed}/big`)).toBeUndefined();
      }
      expect(readFileSync(path.join(world.root, `t${seed}`, 'below/second'))).toEqual(
        readFileSync(path.join(source, 'below/second')),
      );
      checkFailure(await world.run(pushOf(scene, `t${seed}`), { stateHome }), [0], undefined);
      expect(readFileSync(path.join(world.root, `t${seed}`, 'big'))).toEqual(readFileSync(big));
      await checkBackToStart(world, { clientHomes: [stateHome] });
    });
    checkTotals(() => expect(report.faults).toBeGreaterThan(0));
    world.checkSurroundings();
  },
);

test.skipIf(!canTrace)(
  'staged bytes that cannot be read at the commit are sent again, or the push ends with 9 (needs strace)',
  async () => {
    const scene = await openScene();
    const { world, source } = scene;
    const name = 'push: a read of staged data fails at the server';
    const report = await campaign('disk', name, { sample: 1, full: 40 }, async (given) => {
      const { seed } = given;
      const stateHome = workFolder(world, `home-${seed}`);
      const code = seed % 2 === 0 ? 'EIO' : 'EACCES';
      // One read, or all from then on: what is read while chunks come is read once more in the end.
      const when = `${1 + (Math.floor(seed / 2) % 2)}${seed % 4 < 2 ? '+' : ''}`;
      const fault = await attach(world.server.pid()!, {
        calls: ['pread64'],
        inject: [`pread64:error=${code}:when=${when}`],
      });
      const first = await world.run(pushOf(scene, `t${seed}`), { stateHome });
      given.injected(countInjected(await fault.detach()));
      if (first.exitCode !== 0) checkToldError(first, [9]);
      given.add(`exit ${first.exitCode}`, 1);
      checkFailure(await world.run(pushOf(scene, `t${seed}`), { stateHome }), [0], undefined);
      for (const file of ['big', 'below/second', 'below/small-3'])
        expect(readFileSync(path.join(world.root, `t${seed}`, file))).toEqual(
          readFileSync(path.join(source, file)),
        );
      await checkBackToStart(world, { clientHomes: [stateHome] });
    });
    checkTotals(() => expect(report.faults).toBeGreaterThan(0));
    world.checkSurroundings();
  },
);
