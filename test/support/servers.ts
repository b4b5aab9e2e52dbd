/**
 * Two servers with one face: `cairn serve` as a process over a local disk, and a server in this process over stores
 * that behave as networked ones do. Killing the second throws away everything but its stores.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { createStaticTokens } from '../../src/server/access-tokens.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';
import { createMemoryContentStore } from '../../src/storage/memory-content-store.ts';
import { createMemorySessionStore } from '../../src/storage/memory-session-store.ts';
import { createMemoryBackend } from '../../src/storage/memory/memory-backend.ts';
import { freePort, startCairn, untilLine, type CliRun } from './cli.ts';
import { temporaryDirectory } from './trees.ts';

/** A server that can be killed and started again at the same address. */
export interface TestServer {
  readonly port: number;
  readonly url: string;
  readonly token: string;
  /** The server's process, where it is one. */
  readonly pid: () => number | undefined;
  /** Ends it at once, as SIGKILL does. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A kind of server that the same end-to-end tests run against. */
export interface Backend {
  readonly name: string;
  start(): Promise<TestServer>;
}

/** `cairn serve` over `root`, in a process of its own. */
export async function startDiskServer(
  root = temporaryDirectory(),
  extraArgs: readonly string[] = [],
): Promise<TestServer> {
  const port = await freePort();
  const stateHome = temporaryDirectory();
  let run: CliRun | undefined;
  const start = async (): Promise<void> => {
    run = startCairn(['serve', '--root', root, '--listen', `127.0.0.1:${port}`, '--json', ...extraArgs], {
      stateHome,
    });
    await untilLine(run, (line) => line['type'] === 'listening');
  };
  await start();
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    token: readFileSync(path.join(root, '.cairn/token'), 'utf8').trim(),
    pid: () => run?.child.pid,
    kill: async () => {
      run?.child.kill('SIGKILL');
      await run?.result;
    },
    start,
  };
}

async function startObjectStoreServer(): Promise<TestServer> {
  const TOKEN = 'test-token-of-the-object-store-server-0000';
  const port = await freePort();
  const bucket = createMemoryBackend();
  let server: RunningServer | undefined;
  const start = async (): Promise<void> => {
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    server = await startServer({
      content: createMemoryContentStore(bucket, { minChunkSizeBytes: 64 * 1024 }),
      sessions: createMemorySessionStore(bucket),
      tokens: createStaticTokens(TOKEN),
      listen: { host: '127.0.0.1', port },
      version: '0.0.0-test',
      log,
    });
  };
  await start();
  onTestFinished(() => server?.kill());
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    token: TOKEN,
    pid: () => undefined,
    kill: async () => {
      await server?.kill();
    },
    start,
  };
}

/** Every kind of server. */
export const BACKENDS: readonly Backend[] = [
  { name: 'a local disk', start: () => startDiskServer() },
  { name: 'an object store', start: startObjectStoreServer },
];

/** What is published at a path, or undefined where nothing is. */
export async function fetchPublished(server: TestServer, urlPath: string): Promise<Buffer | undefined> {
  const response = await fetch(`${server.url}${urlPath}`, {
    headers: { authorization: `Bearer ${server.token}` },
  });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status === 404) return undefined;
  if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${body.toString()}`);
  return body;
}
