import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { writeRandomFile } from '../../support/trees.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign } from '../support/campaign.ts';
import { openDescriptors } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder } from '../support/world.ts';
import { checkFailure, openScene, publishSource, pullOf, pushOf } from './scene.ts';

const canLimit = spawnSync('prlimit', ['--version']).status === 0;
const SESSIONS = 4;

function limit(pid: number, descriptors: number | 'unlimited'): void {
  const words = descriptors === 'unlimited' ? '1024:' : `${descriptors}:`;
  const done = spawnSync('prlimit', ['--pid', String(pid), `--nofile=${words}`]);
  if (done.status !== 0) throw new Error(done.stderr.toString());
}

/**
 * A client that gives up before it has sent anything says goodbye, which such a server may not even hear: then the lease
 * frees what is left, in which there is no chunk.
 */
function checkOnlyBegun(root: string): void {
  const staging = path.join(root, '.cairn/staging');
  const left = existsSync(staging) ? readdirSync(staging) : [];
  const withChunks = left.filter((id) => existsSync(path.join(staging, id, 'journal')));
  if (withChunks.length > 0) throw new Violation('leak', `left behind: ${withChunks.join(', ')}`);
}

test.skipIf(!canLimit)(
  'a server that may open only few files lets clients wait or says so, and leaks none (needs prlimit)',
  async () => {
    const world = await createWorld();
    const { server, root } = world;
    const pid = server.pid()!;
    const impatient = ['push', '--chunk-size', '64K', '--retry-for', '3s'];
    const name = 'push: few descriptors at the server';
    await campaign('disk', name, { sample: 1, full: 20 }, async (given) => {
      const { seed, random } = given;
      const inUse = openDescriptors(pid).length;
      const homes = Array.from({ length: SESSIONS }, (_, client) =>
        workFolder(world, `home-${seed}-${client}`),
      );
      const sources = homes.map((_, client) => path.join(workFolder(world, 'source'), `${client}`));
      for (const source of sources) writeRandomFile(source, 300_000);
      const args = (client: number): string[] => [
        ...impatient,
        sources[client]!,
        `${server.url}/t${seed}-${client}`,
      ];
      limit(pid, inUse + 2 + Math.floor(random() * 14));
      const first = await Promise.all(
        homes.map((stateHome, client) => world.run(args(client), { stateHome })),
      );
      given.injected(SESSIONS);
      if (server.pid() === undefined || openDescriptors(pid).length === 0)
        throw new Violation('unclear', 'the server has ended');
      limit(pid, 'unlimited');
      for (const [client, result] of first.entries()) {
        checkFailure(result, [0, 5, 9], undefined);
        given.add(`exit ${result.exitCode}`, 1);
        checkFailure(await world.run(args(client), { stateHome: homes[client]! }), [0], undefined);
        const published = readFileSync(path.join(root, `t${seed}-${client}`));
        expect(published.equals(readFileSync(sources[client]!))).toBe(true);
      }
      checkOnlyBegun(root);
      await checkBackToStart(world, { clientHomes: homes, mayForget: true });
    });
    world.checkSurroundings();
  },
);

test.skipIf(!canLimit)(
  'a client that may open only few files says so, and the same command finishes later (needs prlimit)',
  async () => {
    const scene = await openScene();
    const { world } = scene;
    publishSource(scene);
    const name = 'push and pull: few descriptors at the client';
    await campaign('disk', name, { sample: 2, full: 24 }, async (given) => {
      const { seed } = given;
      const stateHome = workFolder(world, `home-${seed}`);
      const destination = path.join(workFolder(world, 'pulled'), `t${seed}`);
      const words = seed % 2 === 0 ? pushOf(scene, `t${seed}`) : pullOf(scene, 'there', destination);
      const args = words.map((word) => (word === '20s' ? '2s' : word));
      const before = ['prlimit', `--nofile=${24 + Math.floor(seed / 2)}`, '--'];
      const first = await world.run(args, { stateHome, before });
      given.injected();
      given.add(`exit ${first.exitCode}`, 1);
      checkFailure(first, [0, 5, 9], undefined);
      checkFailure(await world.run(args, { stateHome }), [0], undefined);
      const clientHomes = [stateHome];
      await checkBackToStart(world, { clientHomes, destination: path.dirname(destination), mayForget: true });
    });
    world.checkSurroundings();
  },
);
