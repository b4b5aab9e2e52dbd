/**
 * Servers with one face: `cairn serve` as a process over a local disk, and a server in this process over objects,
 * in memory or in a directory. Killing the second throws away everything but its stores.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';
import { createObjectContent } from '../../src/storage/object-content/object-content.ts';
import { openDirectoryObjects } from '../../src/storage/objects/directory/directory-objects.ts';
import { createMemoryObjects } from '../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../src/storage/objects/object-store.ts';
import { createDocumentSessions } from '../../src/storage/state/document-sessions.ts';
import { createObjectState } from '../../src/storage/state/objects/object-state.ts';
import { startCairn, untilLine, type CliResult, type CliRun } from './cli.ts';
import { temporaryDirectory } from './trees.ts';
import { freePort } from './free-port.ts';

/** How the process of a server is started. */
export interface ServerStart {
  /** Words to put before the command. */
  readonly before?: readonly string[];
  readonly env?: Record<string, string>;
}

/** A server that can be killed and started again at the same address. */
export interface TestServer {
  readonly port: number;
  readonly url: string;
  readonly token: string;
  /** The server's process, where it is one. */
  readonly pid: () => number | undefined;
  /** Ends it at once, as SIGKILL does. */
  kill(): Promise<void>;
  start(how?: ServerStart): Promise<void>;
}

/** A {@link TestServer} that is a process. */
export interface DiskServer extends TestServer {
  readonly root: string;
  /** Where it keeps what a client of the same user looks for. */
  readonly stateHome: string;
  /** Ends it in order, as SIGTERM does; answers how it ended. */
  stop(): Promise<CliResult>;
  /** Resolves when the process has ended, whatever ended it. */
  ended(): Promise<CliResult>;
  /** Everything that it has written to standard error, all its processes together. */
  log(): string;
}

/** A kind of server that the same end-to-end tests run against. */
export interface Backend {
  readonly name: string;
  start(): Promise<TestServer>;
}

/** How {@link startDiskServer} goes about it. */
export interface DiskServerOptions extends ServerStart {
  readonly root?: string;
  readonly extraArgs?: readonly string[];
  /** Where the secret of its token is, where its state is not in the root. */
  readonly tokenFile?: string;
  /** Leaves the first start to the caller. */
  readonly isStartedLater?: boolean;
}

/** `cairn serve` over `root`, in a process of its own. */
export async function startDiskServer(options: DiskServerOptions = {}): Promise<DiskServer> {
  const { root = temporaryDirectory(), extraArgs = [], isStartedLater = false } = options;
  const { tokenFile = path.join(root, '.cairn', 'token') } = options;
  const port = await freePort();
  const stateHome = temporaryDirectory();
  const args = ['serve', '--root', root, '--listen', `127.0.0.1:${port}`, '--json', ...extraArgs];
  let log = '';
  let run: CliRun;
  const start = async (how: ServerStart = options): Promise<void> => {
    run = startCairn(args, { stateHome, ...how });
    run.child.stderr!.on('data', (bytes: Buffer) => (log += bytes.toString()));
    await untilLine(run, (line) => line['type'] === 'listening');
  };
  const end = (signal: 'SIGKILL' | 'SIGTERM'): Promise<CliResult> => {
    run.child.kill(signal);
    return run.result;
  };
  if (!isStartedLater) await start();
  return {
    root,
    stateHome,
    port,
    url: `http://127.0.0.1:${port}`,
    get token() {
      return readFileSync(tokenFile, 'utf8').trim();
    },
    pid: () => run.child.pid,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
    ended: () => run.result,
    log: () => log,
    start,
  };
}

/** A server over objects; it opens them anew with each start. */
export async function startObjectStoreServer(openObjects: () => Promise<ObjectStore>): Promise<TestServer> {
  const TOKEN = 'test-token-of-the-object-store-server-0000';
  const port = await freePort();
  let server: RunningServer | undefined;
  const start = async (): Promise<void> => {
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const objects = await openObjects();
    const state = createObjectState(objects);
    server = await startServer({
      content: createObjectContent(objects, { minChunkSizeBytes: 64 * 1024 }),
      sessions: createDocumentSessions(state),
      state,
      authenticators: [createStaticToken(TOKEN)],
      listen: { host: '127.0.0.1', port },
      version: '0.0.0-test',
      sessionKey: new Uint8Array(32),
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
  {
    name: 'an object store',
    start: () => {
      const objects = createMemoryObjects();
      return startObjectStoreServer(async () => objects);
    },
  },
  {
    name: 'a directory of objects',
    start: () => {
      const root = path.join(temporaryDirectory(), 'objects');
      return startObjectStoreServer(() => openDirectoryObjects(root));
    },
  },
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
