import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn, untilLine } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;

/** A server with an older version of a file of 64 MiB, and a client that has pushed it. */
async function openScene() {
  const server = await startDiskServer();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 64 * MIB);
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const push = ['push', '--json', file, `${server.url}/file`];
  expect(await cairn(push, environment)).toMatchObject({
    exitCode: 0,
    last: { bytesSent: 64 * MIB, bytesReused: 0 },
  });
  const published = (): Buffer => readFileSync(path.join(server.root, 'file'));
  return { server, file, environment, push, published, old: readFileSync(file) };
}

/** A scene whose file has 16 MiB of new bytes in its middle, and a slow way to its server that counts. */
async function openSlowScene() {
  const scene = await openScene();
  const { server, file, old } = scene;
  writeRandomFile(file, 16 * MIB);
  const changed = Buffer.concat([
    old.subarray(0, 30 * MIB),
    readFileSync(file),
    old.subarray(30 * MIB + 777),
  ]);
  writeFileSync(file, changed);
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 4 * MIB });
  onTestFinished(() => proxy.close());
  const asked: string[] = [];
  proxy.onRequest(({ path: target }) => {
    asked.push(target);
    return 'pass';
  });
  const url = `http://127.0.0.1:${proxy.port}/file`;
  const push = ['push', '--json', '--chunk-size', '1M', '--parallel', '2', '--retry-for', '30s', file, url];
  return { ...scene, proxy, asked, push, changed };
}

function scatteredPages(old: Buffer): Buffer {
  const changed = Buffer.from(old);
  for (let page = 0; page < 100; page += 1)
    changed.fill(page, (page * 163 + 5) * 4096, (page * 163 + 6) * 4096);
  return changed;
}

describe('a push of a file of which the destination has an older version', () => {
  test.each([
    [
      'with bytes inserted in front',
      (old: Buffer) => Buffer.concat([Buffer.alloc(100_003, 'new'), old]),
      500_000,
    ],
    ['that has grown', (old: Buffer) => Buffer.concat([old, Buffer.alloc(300_000, 'end')]), 800_000],
    ['with 100 changed pages', scatteredPages, 1_200_000],
    ['that is shorter', (old: Buffer) => old.subarray(1_000_000, 40_000_000), 400_000],
  ])('%s sends little more than what changed', async (_, change, mostBytes) => {
    const { file, environment, push, published, old } = await openScene();
    const changed = change(old);
    writeFileSync(file, changed);
    const pushed = await cairn(push, environment);
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    const { bytesSent, bytesReused, bytesTotal } = pushed.last as Record<string, number>;
    expect(bytesSent).toBeLessThan(mostBytes);
    expect([bytesSent, bytesSent! + bytesReused!]).toEqual([bytesTotal, changed.byteLength]);
    expect(published().equals(changed)).toBe(true);
    expect(statSync(file).mtimeMs).toBeGreaterThan(0);
    expect(await cairn(push, environment)).toMatchObject({ exitCode: 0, last: { bytesSent: 0, changed: 0 } });
  });

  test('goes on after client and server were killed: nothing is compared again, and little is sent again', async () => {
    const { server, environment, push, published, proxy, changed, asked } = await openSlowScene();
    for (let kill = 0; kill < 2; kill += 1) {
      const run = startCairn(push, environment);
      await untilLine(run, (line) => Number(line['bytesDone']) > (kill * 2 + 3) * MIB);
      run.child.kill('SIGKILL');
      await server.kill();
      await run.result;
      await server.start();
    }
    const pushed = await cairn(push, environment);
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    expect(Number(pushed.last['bytesResumed'])).toBeGreaterThan(0);
    expect(published().equals(changed)).toBe(true);
    expect(proxy.bytesUp).toBeLessThan(16 * MIB + 8 * MIB);
    expect(asked.filter((target) => target.endsWith('/blocks'))).toHaveLength(1);
  });

  test('goes on with the parts that the server kept where the client lost its state', async () => {
    const { environment, push, published, proxy, changed } = await openSlowScene();
    const run = startCairn(push, environment);
    await untilLine(run, (line) => Number(line['bytesDone']) > 3 * MIB);
    run.child.kill('SIGKILL');
    await run.result;
    const pushed = await cairn(push, { ...environment, stateHome: temporaryDirectory() });
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    expect(published().equals(changed)).toBe(true);
    expect(proxy.bytesUp).toBeLessThan(16 * MIB + 8 * MIB);
  });

  test('sends it whole where the older version has changed meanwhile', async () => {
    const { server, environment, push, published, changed, old } = await openSlowScene();
    const run = startCairn(push, environment);
    await untilLine(run, (line) => Number(line['bytesDone']) > MIB);
    const other = Buffer.from(old);
    other.fill('another', 5 * MIB, 6 * MIB);
    writeFileSync(path.join(server.root, 'file'), other);
    const pushed = await run.result;
    expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
    expect(published().equals(changed)).toBe(true);
    expect(pushed.stderr).toContain('changed during the transfer');
  });

  test('sends all of it with --whole-file, also where an unfinished transfer has parts', async () => {
    const { environment, push, published, changed, server, file } = await openSlowScene();
    const run = startCairn(push, environment);
    await untilLine(run, (line) => Number(line['bytesDone']) > 3 * MIB);
    run.child.kill('SIGKILL');
    await run.result;
    const whole = await cairn([...push, '--whole-file', '--parallel', '4'], environment);
    expect(whole, whole.stderr).toMatchObject({
      exitCode: 0,
      last: { bytesSent: changed.byteLength, bytesReused: 0 },
    });
    expect(whole.stderr).toContain('asks for whole ones');
    expect(published().equals(changed)).toBe(true);
    expect(await cairn(['push', '--json', file, `${server.url}/file`], environment)).toMatchObject({
      exitCode: 0,
    });
  });

  test.each(['write', 'append', 'write,list'])(
    'sends all of it, or nothing, with a token of scope %s, which may not read',
    async (scopes) => {
      const { server, file, old } = await openScene();
      const stateHome = temporaryDirectory();
      const made = ['token', 'create', 'some', '--root', server.root, '--scope', scopes];
      const token = (await cairn(made, { stateHome })).stdout.toString().trim();
      writeFileSync(file, Buffer.concat([Buffer.alloc(1000, 'new'), old]));
      const pushed = await cairn(['push', '--json', file, `${server.url}/file`], { stateHome, token });
      if (scopes === 'append') expect(pushed.exitCode).not.toBe(0);
      else expect(pushed).toMatchObject({ last: { bytesSent: old.byteLength + 1000, bytesReused: 0 } });
    },
  );
});
