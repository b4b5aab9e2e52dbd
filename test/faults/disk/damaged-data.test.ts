import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { untilLine } from '../../support/cli.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { writeRandomFile } from '../../support/trees.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign } from '../support/campaign.ts';
import { stagedCheckpoints } from '../support/checkpoints.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder } from '../support/world.ts';
import { OPTIONS } from './scene.ts';
import { checkFinished, stopPush } from './stopped.ts';

const MIB = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const canPunch = ((): boolean => spawnSync('fallocate', ['--version']).status === 0)();

function stagedFile(staging: string): string {
  const [name] = readdirSync(staging).filter((entry) => /^e\d+$/.test(entry));
  return path.join(staging, name!);
}

/** What may happen to a staged file between two runs, behind the back of its journal. */
const DAMAGES: Readonly<Record<string, (file: string, random: () => number) => void>> = {
  'is gone': (file) => rmSync(file),
  'was cut': (file, random) => truncateSync(file, Math.floor(random() * 8 * CHUNK_BYTES)),
  'is longer': (file) => writeFileSync(file, Buffer.alloc(30 * CHUNK_BYTES, 'more'), { flag: 'a' }),
  'was cut and grew again': (file, random) => {
    const { size } = statSync(file);
    truncateSync(file, Math.floor(random() * 8 * CHUNK_BYTES));
    truncateSync(file, size);
  },
  'has a hole': (file, random) => {
    const offset = Math.floor(random() * 6) * CHUNK_BYTES;
    const words = ['-p', '-o', String(offset), '-l', String(CHUNK_BYTES), file];
    const punched = spawnSync('fallocate', words);
    if (punched.status !== 0) throw new Error(punched.stderr.toString());
  },
};

test.skipIf(!canPunch)(
  'a push sends again what a damaged staged file has lost, before it publishes (needs fallocate)',
  async () => {
    const push = await stopPush();
    const [claimed] = await stagedCheckpoints(push.root);
    const claims = claimed!.state.digests.chunks.size;
    expect(claims).toBeGreaterThan(0);
    const harms = Object.entries(DAMAGES);
    const name = 'push: a staged file was damaged';
    await campaign('disk', name, { sample: 3, full: 15 * harms.length }, async (given) => {
      const [what, damage] = harms[given.seed % harms.length]!;
      damage(stagedFile(push.staging), given.random);
      given.injected();
      const result = await push.finish();
      try {
        await checkFinished(push, result);
      } catch (error) {
        throw new Error(`${what}: ${String(error)}`, { cause: error });
      }
      given.add('claimed KiB', (claims * CHUNK_BYTES) / 1024);
      given.add('sent KiB', Number(result.last['bytesSent']) / 1024);
      await push.server.stop();
      push.restore();
    });
  },
);

test('a pull fetches staged data again that was damaged between two runs', async () => {
  const world = await createWorld();
  const proxy = await startCuttingProxy({ targetPort: world.server.port, bytesPerSecond: 3 * MIB });
  writeRandomFile(path.join(world.root, 'file'), 3 * MIB);
  const content = readFileSync(path.join(world.root, 'file'));
  const harms = Object.values(DAMAGES);
  await campaign('disk', 'pull: a staged file was damaged', { sample: 2, full: 40 }, async (given) => {
    const { seed, random } = given;
    const stateHome = workFolder(world, `home-${seed}`);
    const destination = path.join(workFolder(world, `pulled-${seed}`), 'file');
    const args = ['pull', ...OPTIONS, `http://127.0.0.1:${proxy.port}/file`, destination];
    const run = world.start(args, { stateHome });
    await untilLine(run, (line) => Number(line['bytesDone']) > 1.5 * MIB);
    run.child.kill('SIGKILL');
    await run.result;
    const staging = path.join(path.dirname(destination), '.cairn/staging');
    const [id] = readdirSync(staging);
    harms[seed % harms.length]!(stagedFile(path.join(staging, id!)), random);
    given.injected();
    const last = await world.run(args, { stateHome });
    if (last.exitCode !== 0) throw new Violation('unclear', `exit ${last.exitCode}: ${last.stderr}`);
    if (!readFileSync(destination).equals(content))
      throw new Violation('false-success', 'exit 0, and what was pulled is something else');
    await checkBackToStart(world, { clientHomes: [stateHome], destination: path.dirname(destination) });
  });
  await proxy.close();
  world.checkSurroundings();
});
