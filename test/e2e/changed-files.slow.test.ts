import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn, untilLine } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const DIRECTIONS = ['push', 'pull'] as const;
type Direction = (typeof DIRECTIONS)[number];

/** A file of 64 MiB that was transferred once: at its source, and an older version of what it will be at its destination. */
async function openScene(direction: Direction) {
  const server = await startDiskServer();
  const [local, served] = [path.join(temporaryDirectory(), 'file'), path.join(server.root, 'file')];
  const [source, destination] = direction === 'push' ? [local, served] : [served, local];
  writeRandomFile(source, 64 * MIB);
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const commandOf = (url: string, ...options: string[]): string[] => [
    direction,
    '--json',
    ...options,
    ...(direction === 'push' ? [local, url] : [url, local]),
  ];
  const command = commandOf(`${server.url}/file`);
  /** The member of a summary with the bytes that crossed. */
  const moved = direction === 'push' ? 'bytesSent' : 'bytesReceived';
  expect(await cairn(command, environment)).toMatchObject({
    exitCode: 0,
    last: { [moved]: 64 * MIB, bytesReused: 0 },
  });
  const published = (): Buffer => readFileSync(destination);
  return { server, source, destination, environment, commandOf, command, moved, published, old: published() };
}

/** A scene whose file has 16 MiB of new bytes in its middle, and a slow way to its server that counts. */
async function openSlowScene(direction: Direction) {
  const scene = await openScene(direction);
  const { server, source, old, commandOf } = scene;
  writeRandomFile(source, 16 * MIB);
  const middle = readFileSync(source);
  const changed = Buffer.concat([old.subarray(0, 30 * MIB), middle, old.subarray(30 * MIB + 777)]);
  writeFileSync(source, changed);
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 4 * MIB });
  onTestFinished(() => proxy.close());
  const asked: string[] = [];
  proxy.onRequest(({ method, path: target }) => {
    asked.push(`${method} ${target}`);
    return 'pass';
  });
  const url = `http://127.0.0.1:${proxy.port}/file`;
  const options = ['--chunk-size', '1M', '--parallel', '2', '--retry-for', '30s'];
  const bytes = (): number => (direction === 'push' ? proxy.bytesUp : proxy.bytesDown);
  return { ...scene, proxy, bytes, asked, command: commandOf(url, ...options), changed };
}

function scatteredPages(old: Buffer): Buffer {
  const changed = Buffer.from(old);
  for (let page = 0; page < 100; page += 1)
    changed.fill(page, (page * 163 + 5) * 4096, (page * 163 + 6) * 4096);
  return changed;
}

describe.each(DIRECTIONS)('a %s of a file of which the destination has an older version', (direction) => {
  test.each([
    [
      'with bytes inserted in front',
      (old: Buffer) => Buffer.concat([Buffer.alloc(100_003, 'new'), old]),
      500_000,
    ],
    ['that has grown', (old: Buffer) => Buffer.concat([old, Buffer.alloc(300_000, 'end')]), 800_000],
    ['with 100 changed pages', scatteredPages, 1_200_000],
    ['that is shorter', (old: Buffer) => old.subarray(1_000_000, 40_000_000), 400_000],
  ])('a changed file %s costs little more than what changed', async (_, change, mostBytes) => {
    const { source, destination, environment, command, moved, published, old } = await openScene(direction);
    const changed = change(old);
    writeFileSync(source, changed);
    const done = await cairn(command, environment);
    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    const { [moved]: bytes, bytesReused, bytesTotal } = done.last as Record<string, number>;
    expect(bytes).toBeLessThan(mostBytes);
    expect([bytes, bytes! + bytesReused!]).toEqual([bytesTotal, changed.byteLength]);
    expect(published().equals(changed)).toBe(true);
    expect(statSync(destination).mtimeMs).toBeCloseTo(statSync(source).mtimeMs, 0);
    expect(await cairn(command, environment)).toMatchObject({
      exitCode: 0,
      last: { [moved]: 0, changed: 0 },
    });
  });

  test(`a ${direction} of a changed file compares once, and sends little again, through kills of client and server`, async () => {
    const { server, environment, command, published, bytes, changed, asked } = await openSlowScene(direction);
    for (let kill = 0; kill < 2; kill += 1) {
      const run = startCairn(command, environment);
      await untilLine(run, (line) => Number(line['bytesDone']) > (kill * 2 + 3) * MIB);
      run.child.kill('SIGKILL');
      await server.kill();
      await run.result;
      await server.start();
    }
    const done = await cairn(command, environment);
    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    expect(Number(done.last['bytesResumed'])).toBeGreaterThan(0);
    expect(published().equals(changed)).toBe(true);
    expect(bytes()).toBeLessThan(16 * MIB + 8 * MIB);
    const compared = asked.filter((request) => request.startsWith('POST') && request.endsWith('/blocks'));
    expect(compared).toHaveLength(1);
  });

  test(`a ${direction} of a changed file arrives where its older version changes during the transfer`, async () => {
    const { destination, environment, command, published, changed, old } = await openSlowScene(direction);
    const run = startCairn(command, environment);
    await untilLine(run, (line) => Number(line['bytesDone']) > MIB);
    const other = Buffer.from(old);
    other.fill('another', 5 * MIB, 6 * MIB);
    writeFileSync(destination, other);
    const done = await run.result;
    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    expect(published().equals(changed)).toBe(true);
    expect(done.stderr).toContain('changed during the transfer');
  });

  test(`a ${direction} with --whole-file carries all of a file, also where an unfinished transfer has parts`, async () => {
    const scene = await openSlowScene(direction);
    const { environment, command, published, changed, server, moved, commandOf } = scene;
    const run = startCairn(command, environment);
    await untilLine(run, (line) => Number(line['bytesDone']) > 3 * MIB);
    run.child.kill('SIGKILL');
    await run.result;
    const whole = await cairn([...command, '--whole-file', '--parallel', '4'], environment);
    expect(whole, whole.stderr).toMatchObject({
      exitCode: 0,
      last: { [moved]: changed.byteLength, bytesReused: 0 },
    });
    expect(whole.stderr).toContain('asks for whole ones');
    expect(published().equals(changed)).toBe(true);
    expect(await cairn(commandOf(`${server.url}/file`), environment)).toMatchObject({
      exitCode: 0,
    });
  });
});

describe('a push of a file of which the destination has an older version', () => {
  test('a push of a changed file goes on with the parts that the server kept where the client lost its state', async () => {
    const { environment, command, published, bytes, changed } = await openSlowScene('push');
    const run = startCairn(command, environment);
    await untilLine(run, (line) => Number(line['bytesDone']) > 3 * MIB);
    run.child.kill('SIGKILL');
    await run.result;
    const done = await cairn(command, { ...environment, stateHome: temporaryDirectory() });
    expect(done, done.stderr).toMatchObject({ exitCode: 0 });
    expect(published().equals(changed)).toBe(true);
    expect(bytes()).toBeLessThan(16 * MIB + 8 * MIB);
  });

  test.each(['write', 'append', 'write,list'])(
    'a push of a changed file sends all of it, or nothing, with a token of scope %s, which may not read',
    async (scopes) => {
      const { server, source, old } = await openScene('push');
      const stateHome = temporaryDirectory();
      const made = ['token', 'create', 'some', '--root', server.root, '--scope', scopes];
      const token = (await cairn(made, { stateHome })).stdout.toString().trim();
      writeFileSync(source, Buffer.concat([Buffer.alloc(1000, 'new'), old]));
      const done = await cairn(['push', '--json', source, `${server.url}/file`], { stateHome, token });
      if (scopes === 'append') expect(done.exitCode).not.toBe(0);
      else expect(done).toMatchObject({ last: { bytesSent: old.byteLength + 1000, bytesReused: 0 } });
    },
  );
});
