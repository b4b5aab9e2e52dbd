/** Compression by the command line: what it saves, that it can be told not to, and that a resumed transfer keeps to it. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { textOf } from '../support/encodings.ts';
import { fetchPublished, startDiskServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory } from '../support/trees.ts';

const MIB = 1024 * 1024;

interface Summary {
  readonly bytesSent?: number;
  readonly bytesReceived?: number;
  readonly bytesSaved: number;
}

const summaryOf = (stdout: Buffer): Summary =>
  JSON.parse(stdout.toString().trim().split('\n').at(-1)!) as Summary;

test('--compress always compresses text, and --compress never does not', async () => {
  const server = await startDiskServer();
  const [file, arrived] = [path.join(temporaryDirectory(), 'file'), path.join(temporaryDirectory(), 'copy')];
  writeFileSync(file, textOf(6 * MIB));
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const url = `${server.url}/file`;
  const pushed = await cairn(['push', '--compress', 'always', '--json', file, url], environment);
  expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
  expect(summaryOf(pushed.stdout)).toMatchObject({ bytesSent: 6 * MIB });
  expect(summaryOf(pushed.stdout).bytesSaved).toBeGreaterThan(3 * MIB);
  const pulled = await cairn(['pull', '--compress', 'always', url, arrived], environment);
  expect(pulled, pulled.stderr).toMatchObject({ exitCode: 0 });
  expect(`${pulled.stderr}${pulled.stdout.toString()}`).toMatch(/MiB less on the wire/);
  expect(digestOf(arrived)).toBe(digestOf(file));
  const plain = await cairn(['pull', '--compress', 'never', '--json', url, `${arrived}2`], environment);
  expect(summaryOf(plain.stdout)).toMatchObject({ bytesReceived: 6 * MIB, bytesSaved: 0 });
});

test('cairn transfers resume goes on compressing after an interruption in the middle of a chunk', async () => {
  const server = await startDiskServer();
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: MIB });
  onTestFinished(() => proxy.close());
  const file = path.join(temporaryDirectory(), 'file');
  writeFileSync(file, textOf(16 * MIB));
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const url = `http://127.0.0.1:${proxy.port}/file`;
  const run = startCairn(['push', '--compress', 'always', '--chunk-size', '8M', file, url], environment);
  while (proxy.bytesUp < MIB) await sleep(10);
  run.child.kill('SIGINT');
  expect(await run.result).toMatchObject({ exitCode: 130 });
  const resumed = await cairn(['transfers', 'resume', '--json'], environment);
  expect(resumed, resumed.stderr).toMatchObject({ exitCode: 0 });
  expect((await fetchPublished(server, '/file'))?.equals(textOf(16 * MIB))).toBe(true);
  expect(proxy.bytesUp).toBeLessThan(6 * MIB);
});
