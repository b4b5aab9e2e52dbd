import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { canMount, mountTmpfs } from '../../support/requirements.ts';
import { fetchPublished } from '../../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../../support/trees.ts';
import { attach } from '../support/attach.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { checkAcknowledged, checkClaims, checkOldOrNew } from '../support/invariants.ts';
import { canTrace } from '../support/strace.ts';
import { createWorld, workFolder } from '../support/world.ts';
import { faultAt, faultsIn, noSpace, SPACE_CALLS } from './faults.ts';
import {
  checkFailure,
  openScene,
  OPTIONS,
  publishSource,
  pullThroughFault,
  pushOf,
  pushThroughFault,
  traceOfPull,
} from './scene.ts';

const MIB = 1024 * 1024;
const canLimit = spawnSync('prlimit', ['--version']).status === 0;

test.skipIf(!canTrace)(
  'a push whose server runs out of space ends with 9 and goes on later (needs strace)',
  async () => {
    const scene = await openScene();
    const watched = await attach(scene.world.server.pid()!, { calls: SPACE_CALLS });
    await scene.world.run(pushOf(scene, 'count'), { stateHome: workFolder(scene.world, 'home-count') });
    const faults = faultsIn(await watched.detach(), SPACE_CALLS, noSpace);
    const name = 'push: no space at the server from the Nth call on';
    const { faults: injected } = await campaign(
      'disk',
      name,
      { sample: 3, full: faults.length },
      async (given) => {
        const inject = [faultAt(faults, given.seed)];
        await pushThroughFault(scene, `t${given.seed}`, inject, { exitCodes: [0, 9], given });
      },
    );
    checkTotals(() => expect(injected).toBeGreaterThan(0));
    scene.world.checkSurroundings();
  },
);

test.skipIf(!canTrace)(
  'a pull that runs out of space ends with 9 and goes on later (needs strace)',
  async () => {
    const scene = await openScene();
    publishSource(scene);
    const faults = faultsIn(await traceOfPull(scene, SPACE_CALLS), SPACE_CALLS, noSpace);
    const name = 'pull: no space at the client from the Nth call on';
    const { faults: injected } = await campaign(
      'disk',
      name,
      { sample: 2, full: faults.length },
      async (given) => {
        const inject = [faultAt(faults, given.seed)];
        await pullThroughFault(scene, `t${given.seed}`, inject, { exitCodes: [0, 9], given });
      },
    );
    checkTotals(() => expect(injected).toBeGreaterThan(0));
    scene.world.checkSurroundings();
  },
);

test.skipIf(!canMount)(
  'a server whose disk fills up keeps what arrived, serves others, and goes on with room (needs mount)',
  async () => {
    const root = path.join(temporaryDirectory(), 'small');
    mountTmpfs(root, 6 * MIB);
    // Otherwise what does not fit is refused before the first byte.
    const world = await createWorld({ root, extraArgs: ['--limit', 'free-disk=0'] });
    const source = path.join(workFolder(world, 'source'), 'file');
    const other = Buffer.alloc(1000, 'other');
    writeFileSync(path.join(root, 'other'), other);
    await campaign('disk', 'push: a small disk fills up', { sample: 1, full: 40 }, async (given) => {
      const { seed, random } = given;
      const stateHome = workFolder(world, `home-${seed}`);
      writeRandomFile(source, 3 * MIB);
      // What fills it leaves less than the file needs, down to a few pages.
      const ballast = path.join(root, 'ballast');
      writeRandomFile(ballast, Math.floor((3.2 + 2.5 * random()) * MIB));
      const args = ['push', ...OPTIONS, source, `${world.server.url}/t${seed}`];
      const first = await world.run(args, { stateHome });
      given.injected();
      checkFailure(first, [9], 'at the server');
      expect(await fetchPublished(world.server, '/other')).toEqual(other);
      checkOldOrNew(path.join(root, `t${seed}`), undefined, readFileSync(source));
      await checkClaims(root);
      given.add('acknowledged KiB', (await checkAcknowledged(stateHome, root)) / 1024);
      unlinkSync(ballast);
      checkFailure(await world.run(args, { stateHome }), [0], undefined);
      expect(checkOldOrNew(path.join(root, `t${seed}`), undefined, readFileSync(source))).toBe('new');
      await checkBackToStart(world, { clientHomes: [stateHome] });
      unlinkSync(path.join(root, `t${seed}`));
    });
    world.checkSurroundings();
  },
);

test.skipIf(!canMount)(
  'a pull to a disk that fills up keeps what arrived, and goes on when there is room (needs mount)',
  async () => {
    const world = await createWorld();
    const small = path.join(temporaryDirectory(), 'small');
    mountTmpfs(small, 6 * MIB);
    const source = path.join(world.root, 'file');
    writeRandomFile(source, 3 * MIB);
    await campaign('disk', 'pull: a small disk fills up', { sample: 1, full: 40 }, async (given) => {
      const { seed, random } = given;
      const stateHome = workFolder(world, `home-${seed}`);
      const destination = path.join(small, `t${seed}`);
      const ballast = path.join(small, 'ballast');
      writeRandomFile(ballast, Math.floor((3.2 + 2.5 * random()) * MIB));
      const args = ['pull', ...OPTIONS, `${world.server.url}/file`, destination];
      const first = await world.run(args, { stateHome });
      given.injected();
      checkFailure(first, [9], undefined);
      checkOldOrNew(destination, undefined, readFileSync(source));
      await checkClaims(small);
      unlinkSync(ballast);
      const second = await world.run(args, { stateHome });
      checkFailure(second, [0], undefined);
      given.add('resumed KiB', Number(second.last['bytesResumed']) / 1024);
      expect(checkOldOrNew(destination, undefined, readFileSync(source))).toBe('new');
      await checkBackToStart(world, { clientHomes: [stateHome], destination: small });
      unlinkSync(destination);
    });
    world.checkSurroundings();
  },
);

test.skipIf(!canLimit)(
  'a transfer of a file that is larger than a side may write ends with 9 and goes on later (needs prlimit)',
  async () => {
    const world = await createWorld();
    const source = path.join(workFolder(world, 'source'), 'file');
    writeRandomFile(source, 2 * MIB);
    await campaign('disk', 'push and pull: the file is too large', { sample: 1, full: 30 }, async (given) => {
      const { seed, random } = given;
      const limitBytes = Math.floor((0.1 + 1.8 * random()) * MIB);
      const stateHome = workFolder(world, `home-${seed}`);
      const pid = String(world.server.pid());
      spawnSync('prlimit', ['--pid', pid, `--fsize=${limitBytes}:unlimited`]);
      const push = ['push', ...OPTIONS, source, `${world.server.url}/t${seed}`];
      const pushed = await world.run(push, { stateHome });
      given.injected();
      checkFailure(pushed, [9], 'at the server');
      await checkClaims(world.root);
      spawnSync('prlimit', ['--pid', pid, '--fsize=unlimited:unlimited']);
      checkFailure(await world.run(push, { stateHome }), [0], undefined);
      expect(readFileSync(path.join(world.root, `t${seed}`)).equals(readFileSync(source))).toBe(true);

      const destination = path.join(workFolder(world, 'pulled'), `t${seed}`);
      const pull = ['pull', ...OPTIONS, `${world.server.url}/t${seed}`, destination];
      const limit = ['prlimit', `--fsize=${limitBytes}:unlimited`, '--'];
      const pulled = await world.run(pull, { stateHome, before: limit });
      given.injected();
      checkFailure(pulled, [9], undefined);
      checkFailure(await world.run(pull, { stateHome }), [0], undefined);
      expect(readFileSync(destination).equals(readFileSync(source))).toBe(true);
      expect(statSync(destination).size).toBe(2 * MIB);
      await checkBackToStart(world, { clientHomes: [stateHome], destination: path.dirname(destination) });
    });
    world.checkSurroundings();
  },
);
