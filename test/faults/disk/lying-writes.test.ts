import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { untilLine } from '../../support/cli.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { writeRandomFile } from '../../support/trees.ts';
import { attach, countInjected } from '../support/attach.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace } from '../support/strace.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder } from '../support/world.ts';
import { checkFailure, openScene, OPTIONS, pushOf } from './scene.ts';

const MIB = 1024 * 1024;

test.skipIf(!canTrace)(
  "a push whose server's write takes no byte ends well or with 9, and the same command finishes (needs strace)",
  async () => {
    const scene = await openScene();
    const { world, source } = scene;
    await campaign('disk', 'push: the Nth write takes no byte', { sample: 2, full: 12 }, async (given) => {
      const { seed } = given;
      const stateHome = workFolder(world, `home-${seed}`);
      const inject = [`pwrite64:retval=0:when=${seed}`];
      const fault = await attach(world.server.pid()!, { calls: ['pwrite64'], inject, mainThread: true });
      const first = await world.run(pushOf(scene, `t${seed}`), { stateHome });
      const injected = countInjected(await fault.detach());
      given.injected(injected);
      checkFailure(first, injected === 0 ? [0] : [0, 9], 'at the server');
      checkFailure(await world.run(pushOf(scene, `t${seed}`), { stateHome }), [0], undefined);
      for (const name of ['big', 'below/second'])
        expect(readFileSync(path.join(world.root, `t${seed}`, name))).toEqual(
          readFileSync(path.join(source, name)),
        );
      await checkBackToStart(world, { clientHomes: [stateHome] });
    });
    world.checkSurroundings();
  },
);

/**
 * A disk that says "written" and has written nothing cannot be caught at the write. What is promised: bytes of an
 * earlier process are read again before they are published, and `cairn verify` reads everything.
 */
test.skipIf(!canTrace)(
  'bytes that a disk only claimed to have written are found by the commit of a later run or by verify (needs strace)',
  async () => {
    const world = await createWorld({ env: { UV_THREADPOOL_SIZE: '1' } });
    const { server, root } = world;
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 2 * MIB });
    const source = path.join(workFolder(world, 'source'), 'file');
    writeRandomFile(source, 2 * MIB);
    const content = readFileSync(source);
    const name = 'push: the Nth write of data never happened';
    const scale = { sample: 2, full: 20, until: 'found at the commit' };
    const report = await campaign('disk', name, scale, async (given) => {
      const { seed } = given;
      const stateHome = workFolder(world, `home-${seed}`);
      const url = `http://127.0.0.1:${proxy.port}/t${seed}`;
      const args = ['push', ...OPTIONS, '--parallel', '1', source, url];
      // The bytes of chunks are written by the main thread, documents and journals by others.
      const inject = [`pwrite64:retval=512:when=${2 + (seed % 5)}`];
      const fault = await attach(server.pid()!, { calls: ['pwrite64'], inject, mainThread: true });
      const run = world.start(args, { stateHome });
      // Half of them end the process that wrote before the commit, the others do not.
      const isCut = seed % 2 === 1;
      if (isCut) {
        await untilLine(run, (line) => Number(line['bytesDone']) > MIB);
        run.child.kill('SIGKILL');
      }
      await run.result;
      const injected = countInjected(await fault.detach());
      given.injected(injected);
      if (isCut) {
        await server.stop();
        await server.start();
        checkFailure(await world.run(args, { stateHome }), [0], undefined);
      }
      const isRight = readFileSync(path.join(root, `t${seed}`)).equals(content);
      if (isCut && !isRight) throw new Violation('false-success', 'what never was written was published');
      const verified = await world.run(['verify', source, `${server.url}/t${seed}`], { stateHome });
      if (verified.exitCode !== (isRight ? 0 : 7))
        throw new Violation('unclear', `verify ends with ${verified.exitCode}: ${verified.stderr}`);
      given.add(
        isCut ? 'found at the commit' : 'found by verify',
        injected === 0 || (!isCut && isRight) ? 0 : 1,
      );
      await checkBackToStart(world, { clientHomes: [stateHome] });
    });
    checkTotals(() => {
      expect(report.faults).toBeGreaterThan(0);
      expect(report.figures['found at the commit']).toBeGreaterThan(0);
    });
    await proxy.close();
    world.checkSurroundings();
  },
);
