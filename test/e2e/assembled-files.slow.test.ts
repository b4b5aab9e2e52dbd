/** Files that are assembled from parts, together with everything else that a transfer can do, in both directions. */
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { canTrace, traced } from '../faults/support/strace.ts';
import { cairn, startCairn, untilLine, type CliResult } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { canKeepMetadata, differences, writeMetadataTree } from '../support/metadata-tree.ts';
import { createRandom } from '../support/random.ts';
import { startDiskServer } from '../support/servers.ts';
import { pictureOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const DIRECTIONS = ['push', 'pull'] as const;
type Direction = (typeof DIRECTIONS)[number];

/** A tree and where it goes: `run` transfers it that way. */
async function openTrees(direction: Direction, extraArgs: readonly string[] = []) {
  const server = await startDiskServer({ extraArgs });
  const [local, served] = [temporaryDirectory(), path.join(server.root, 'tree')];
  mkdirSync(served);
  const [source, destination] = direction === 'push' ? [local, served] : [served, local];
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const wordsOf = (url: string, options: readonly string[]): string[] => [
    direction,
    '--json',
    ...options,
    ...(direction === 'push' ? [local, url] : [url, local]),
  ];
  const run = (...options: string[]): Promise<CliResult> =>
    cairn(wordsOf(`${server.url}/tree`, options), environment);
  const moved = direction === 'push' ? 'bytesSent' : 'bytesReceived';
  return { server, source, destination, environment, wordsOf, run, moved };
}

/** Writes bytes into a file in its place. */
function patch(file: string, offset: number, bytes: string | Buffer): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, Buffer.from(bytes), 0, undefined, offset);
  closeSync(fd);
}

const treeOf = (root: string): [string, unknown][] =>
  Object.entries(pictureOf(root)).filter(([name]) => name !== '' && !name.startsWith('.cairn'));

describe.each(DIRECTIONS)('a %s that assembles files', (direction) => {
  test(`a ${direction} that assembles files of a mirror with many small files keeps the older versions with --backup-dir`, async () => {
    const { server, source, destination, run, moved } = await openTrees(direction);
    for (const name of ['a', 'm/b', 'z']) writeRandomFile(path.join(source, name), 3 * MIB);
    for (let index = 0; index < 2000; index += 1) {
      const file = path.join(source, `small/${index % 20}/${index}`);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, `the first text of ${index}`);
    }
    expect(await run()).toMatchObject({ exitCode: 0 });
    const older = new Map(['a', 'm/b', 'z'].map((name) => [name, readFileSync(path.join(source, name))]));
    for (const [name, old] of older)
      writeFileSync(
        path.join(source, name),
        Buffer.concat([old.subarray(0, MIB), Buffer.from('new'), old.subarray(MIB)]),
      );
    for (let index = 0; index < 2000; index += 3)
      writeFileSync(path.join(source, `small/${index % 20}/${index}`), `other ${index}`);
    rmSync(path.join(source, 'small/7'), { recursive: true });
    writeFileSync(path.join(source, 'new'), 'a new one');
    const backup = direction === 'push' ? path.join(server.root, 'old') : temporaryDirectory();
    const named = direction === 'push' ? '/old' : backup;
    const done = await run('--delete', '--backup-dir', named);
    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    expect(Number(done.last[moved])).toBeLessThan(MIB);
    expect(Number(done.last['bytesReused'])).toBeGreaterThan(8 * MIB);
    expect(treeOf(destination)).toEqual(treeOf(source));
    for (const [name, old] of older)
      expect([name, readFileSync(path.join(backup, name)).equals(old)]).toEqual([name, true]);
    expect(readFileSync(path.join(backup, 'small/7/7')).toString()).toBe('the first text of 7');
    expect((await run('--delete')).last).toMatchObject({ exitCode: 0, changed: 0, [moved]: 0 });
  });

  test(`a ${direction} that assembles a file keeps its holes with --sparse, the copied and the new ones`, async () => {
    const { source, destination, run, moved } = await openTrees(direction);
    const [from, to] = [path.join(source, 'image'), path.join(destination, 'image')];
    writeRandomFile(from, 2 * MIB);
    truncateSync(from, 24 * MIB);
    expect(await run('--sparse')).toMatchObject({ exitCode: 0 });
    patch(from, 12 * MIB, 'in the middle of a hole');
    truncateSync(from, 40 * MIB);
    const done = await run('--sparse');
    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    expect(Number(done.last['bytesReused'])).toBeGreaterThan(8 * MIB);
    expect(Number(done.last[moved])).toBeLessThan(32 * MIB);
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
    expect(statSync(to).blocks).toBeLessThan((4 * MIB) / 512);
  });

  test(`a ${direction} with --dry-run assembles no file, and names the one that has changed`, async () => {
    const { source, destination, run } = await openTrees(direction);
    writeRandomFile(path.join(source, 'file'), 2 * MIB);
    expect(await run()).toMatchObject({ exitCode: 0 });
    const before = treeOf(destination);
    patch(path.join(source, 'file'), MIB, 'new');
    truncateSync(path.join(source, 'file'), 2 * MIB - 1);
    const dry = await run('--dry-run');
    expect(dry, dry.stderr).toMatchObject({ exitCode: 0, last: { bytesReused: 0 } });
    expect(dry.stdout.toString()).toContain('"change":"changed"');
    expect(treeOf(destination)).toEqual(before);
  });

  test.skipIf(!canKeepMetadata)(
    `a ${direction} that assembles files keeps all of --archive, also of hard links (needs root, rsync and attributes)`,
    async () => {
      const { source, destination, run } = await openTrees(direction, ['--allow-owners']);
      writeMetadataTree(source);
      expect(await run('--archive')).toMatchObject({ exitCode: 0 });
      patch(path.join(source, 'big'), 2 * MIB, 'other bytes in a file with two names');
      patch(path.join(source, 'holes'), 4 * MIB - 10_000, 'before the end');
      truncateSync(path.join(source, 'big'), 3 * MIB - 7);
      const done = await run('--archive');
      expect(done.last, done.stderr).toMatchObject({ exitCode: 0, unkept: 0 });
      expect(Number(done.last['bytesReused'])).toBeGreaterThan(2 * MIB);
      expect(differences(source, destination)).toBe('');
    },
  );

  test(`a ${direction} that assembles a file carries at most 1.05 times its new bytes through five kills of client and server`, async () => {
    const { server, source, destination, environment, wordsOf } = await openTrees(direction);
    const [from, to] = [path.join(source, 'file'), path.join(destination, 'file')];
    writeRandomFile(from, 64 * MIB);
    expect(await cairn(wordsOf(`${server.url}/tree`, []), environment)).toMatchObject({ exitCode: 0 });
    const old = readFileSync(from);
    writeRandomFile(from, 32 * MIB);
    writeFileSync(
      from,
      Buffer.concat([old.subarray(0, 30 * MIB), readFileSync(from), old.subarray(30 * MIB + 777)]),
    );
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 4 * MIB });
    onTestFinished(() => proxy.close());
    const options = [
      '--chunk-size',
      '256K',
      '--parallel',
      '2',
      '--sync',
      'always',
      '--retry-for',
      '60s',
      '--compress',
      'never',
    ];
    const command = wordsOf(`http://127.0.0.1:${proxy.port}/tree`, options);
    const random = createRandom(direction === 'push' ? 1 : 2);
    let killAt = 0;
    for (let kill = 0; kill < 5; kill += 1) {
      killAt += (2 + random() * 4) * MIB;
      const run = startCairn(command, environment);
      await untilLine(run, (line) => Number(line['bytesDone']) > killAt);
      if (kill % 2 === 0) await server.kill();
      else run.child.kill('SIGKILL');
      if (kill % 2 === 0) {
        await server.start();
        run.child.kill('SIGTERM');
      }
      await run.result;
    }
    const done = await cairn(command, environment);
    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
    const bytes = direction === 'push' ? proxy.bytesUp : proxy.bytesDown;
    expect(bytes).toBeLessThan(1.05 * 32 * MIB);
  });
});

describe.skipIf(!canTrace)('a pull that is killed when it has assembled its file (needs strace)', () => {
  async function openKilled() {
    const trees = await openTrees('pull');
    const { source, destination, environment, wordsOf, server, run } = trees;
    const [from, to] = [path.join(source, 'file'), path.join(destination, 'file')];
    writeRandomFile(from, 8 * MIB);
    expect(await run()).toMatchObject({ exitCode: 0 });
    const old = readFileSync(from);
    patch(from, 5 * MIB, 'some new bytes');
    truncateSync(from, 7 * MIB);
    // Only publishing renames on the main thread.
    const kill = traced({ inject: ['renameat:signal=SIGKILL:when=1'], mainThread: true });
    const killed = await cairn(wordsOf(`${server.url}/tree`, []), { ...environment, ...kill });
    expect(killed, killed.stderr).toMatchObject({ signal: 'SIGKILL' });
    expect(readFileSync(to).equals(old)).toBe(true);
    return { ...trees, from, to };
  }

  test('a pull that was killed when it had assembled its file is finished by the next run without the server', async () => {
    const { server, run, from, to } = await openKilled();
    await server.kill();
    const done = await run();
    expect(done, done.stderr).toMatchObject({ exitCode: 0, last: { bytesReceived: 0 } });
    expect(Number(done.last['bytesReused'])).toBeGreaterThan(6 * MIB);
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
  });

  test('a pull that was killed when it had assembled its file is compared again where the older version has changed', async () => {
    const { run, from, to } = await openKilled();
    patch(to, 2 * MIB, 'a change at the destination');
    const done = await run();
    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    expect(done.stderr).toContain('changed during the transfer');
    expect(Number(done.last['bytesReceived'])).toBeLessThan(MIB);
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
  });
});
