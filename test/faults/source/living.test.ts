import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, onTestFinished, test } from 'vitest';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign, IS_FULL } from '../support/campaign.ts';
import { Violation } from '../support/violation.ts';
import { createWorld, workFolder, type World } from '../support/world.ts';
import { checkAsSource, checkNoMixture, checkRestDone, contentsOf, namedBy, type Versions } from './tree.ts';

const SMALL_FILES = IS_FULL ? 3000 : 800;
const SMALL_BYTES = 600;

/** A source and its target, and the command that moves one to the other. */
function places(
  world: World,
  direction: 'push' | 'pull',
  seed: number,
  port: number,
): {
  source: string;
  target: string;
  args: string[];
} {
  const isPush = direction === 'push';
  const name = `living-${seed}`;
  const source = isPush ? workFolder(world, `from-${name}`) : path.join(world.root, name);
  const target = isPush ? path.join(world.root, name) : workFolder(world, `to-${name}`);
  mkdirSync(source, { recursive: true });
  const url = `http://127.0.0.1:${port}/${name}`;
  const words = ['--chunk-size', '256K'];
  return { source, target, args: isPush ? ['push', source, url, ...words] : ['pull', url, target, ...words] };
}

/** Does something now and then until it is stopped; answers how often it did. */
function keepDoing(act: () => void, everyMs: number): () => number {
  let times = 0;
  const timer = setInterval(() => {
    act();
    times += 1;
  }, everyMs);
  onTestFinished(() => clearInterval(timer));
  return () => {
    clearInterval(timer);
    return times;
  };
}

describe.each(['push', 'pull'] as const)('sources of a %s that change all the time', (direction) => {
  const scanned = `a tree that changes while a ${direction} scans and reads it is carried without mixtures`;
  test(scanned, async () => {
    const world = await createWorld();
    await campaign('source', scanned, { sample: 1, full: 30 }, async ({ seed, random, injected, add }) => {
      const { source, target, args } = places(world, direction, seed, world.server.port);
      for (let index = 0; index < SMALL_FILES; index += 1) {
        const directory = path.join(source, String(index % 50));
        mkdirSync(directory, { recursive: true });
        writeFileSync(path.join(directory, `${index}`), randomBytes(SMALL_BYTES));
      }
      const versions: Versions = new Map([...contentsOf(source)].map(([name, bytes]) => [name, [bytes]]));
      const disturbed = new Set<string>();
      const stop = keepDoing(() => {
        const index = Math.floor(random() * SMALL_FILES);
        const name = `${index % 50}/${index}`;
        const file = path.join(source, name);
        const bytes = randomBytes(SMALL_BYTES);
        disturbed.add(name);
        versions.set(name, [...(versions.get(name) ?? []), bytes]);
        // Replaced, or gone: whoever reads sees one version or none.
        if (random() < 0.3) rmSync(file, { force: true });
        else {
          const beside = path.join(source, `new-${index}`);
          versions.set(`new-${index}`, [...(versions.get(`new-${index}`) ?? []), bytes]);
          disturbed.add(`new-${index}`);
          writeFileSync(beside, bytes);
          renameSync(beside, file);
        }
      }, 2);
      const result = await world.run(args);
      injected(stop());
      add('named', namedBy(result).length);
      if (result.exitCode !== 0 && result.exitCode !== 3)
        throw new Violation('unclear', `exit ${result.exitCode}: ${result.stderr}`);
      checkNoMixture(target, versions);
      const undisturbed = [...versions.keys()].filter((name) => !disturbed.has(name));
      checkRestDone(result, target, undisturbed);
      const again = await world.run([...args, '--checksum']);
      if (again.exitCode !== 0) throw new Violation('unclear', `exit ${again.exitCode}: ${again.stderr}`);
      checkAsSource(source, target, []);
      await checkBackToStart(world, direction === 'pull' ? { destination: target } : {});
    });
  });

  const logs = `logs that grow during a ${direction} are carried whole up to a point, or named, and never torn`;
  test(logs, async () => {
    const world = await createWorld();
    await campaign('source', logs, { sample: 1, full: 20 }, async ({ seed, injected, add }) => {
      const proxy = await startCuttingProxy({
        targetPort: world.server.port,
        bytesPerSecond: 4 * 1024 * 1024,
      });
      onTestFinished(() => proxy.close());
      const { source, target, args } = places(world, direction, seed, proxy.port);
      const names = ['large.log', 'small.log', 'still'];
      writeFileSync(path.join(source, 'large.log'), randomBytes(2 * 1024 * 1024));
      writeFileSync(path.join(source, 'small.log'), 'first line\n');
      writeFileSync(path.join(source, 'still'), randomBytes(300_000));
      let line = 0;
      const stop = keepDoing(() => {
        line += 1;
        for (const name of names.slice(0, 2)) appendFileSync(path.join(source, name), `line ${line}\n`);
      }, 5);
      const result = await world.run(args);
      injected(stop());
      add('named', namedBy(result).length);
      if (result.exitCode !== 0 && result.exitCode !== 3)
        throw new Violation('unclear', `exit ${result.exitCode}: ${result.stderr}`);
      for (const [name, bytes] of contentsOf(target)) {
        if (!readFileSync(path.join(source, name)).subarray(0, bytes.length).equals(bytes))
          throw new Violation('mixture', `"${name}" is no beginning of its log`);
      }
      checkRestDone(result, target, names);
      if (!contentsOf(target).has('still'))
        throw new Violation('unclear', 'a file that was still is missing');
      const again = await world.run(args);
      if (again.exitCode !== 0) throw new Violation('unclear', `exit ${again.exitCode}: ${again.stderr}`);
      checkAsSource(source, target, []);
      await checkBackToStart(world, direction === 'pull' ? { destination: target } : {});
    });
  });
});
