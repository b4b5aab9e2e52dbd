/** A real server in this process, a cutting proxy before it, and the options of a client. */
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { CairnError, isErrorCode } from '../../../src/base/errors.ts';
import type { TransferEvent } from '../../../src/client/api/events.ts';
import type { TransferOptions } from '../../../src/client/api/options.ts';
import type { Authenticator } from '../../../src/server/access/authenticator.ts';
import { createStaticToken } from '../../../src/server/access/static-token.ts';
import { startServer, type RunningServer } from '../../../src/server/server.ts';
import type { SyncMode } from '../../../src/session/sync-mode.ts';
import type { ContentStore } from '../../../src/storage/content-store.ts';
import { openLocalDisk } from '../../../src/storage/disk/local-disk.ts';
import { openLocalSessionStore } from '../../../src/storage/state/local-session-store.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createMemoryContentStore } from '../../support/memory-stores/memory-content-store.ts';
import { createMemorySessionStore } from '../../support/memory-stores/memory-session-store.ts';
import type { SessionStore } from '../../../src/storage/state/session-store.ts';
import { startCuttingProxy, type CuttingProxy } from '../../support/cutting-proxy.ts';
import { temporaryDirectory } from '../../support/trees.ts';

/** The kinds of server that tests run against. */
export const KINDS = ['disk', 'memory'] as const;

/** The token of every server here. */
export const TOKEN = 'token-of-the-client-tests-000000000000000000';

/** What a test works with. */
export interface Scene {
  /** Root of the server's content; only a disk server has files there. */
  readonly root: string;
  readonly proxy: CuttingProxy;
  readonly stateHome: string;
  /** A URL through the proxy. */
  url(urlPath: string): URL;
  /** Options of a client, with all events of this scene going to `events`. */
  options(urlPath: string, changes?: Partial<TransferOptions>): TransferOptions;
  readonly events: TransferEvent[];
  /** Ends the server as a crash would. */
  kill(): Promise<void>;
  /** Starts it again over the same stores. */
  start(): Promise<void>;
  /** What is published at a URL; undefined where nothing is. */
  fetch(urlPath: string): Promise<Buffer | undefined>;
}

/** Chunks small enough that small files have several. */
export const CHUNK = 64 * 1024;

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Starts a scene; it goes with the test. */
export async function openScene(
  kind: (typeof KINDS)[number] = 'disk',
  settings: {
    bytesPerSecond?: number;
    delayMs?: number;
    sync?: SyncMode;
    authenticators?: readonly Authenticator[];
  } = {},
): Promise<Scene> {
  const root = temporaryDirectory();
  const openStores = await storesOf(kind, root);
  let server: RunningServer | undefined;
  let close = async (): Promise<void> => {};
  const { sync = 'group', authenticators = [createStaticToken(TOKEN)], ...link } = settings;
  const proxy = await startCuttingProxy({ targetPort: 1, ...link });
  const start = async (): Promise<void> => {
    const { content, sessions } = await openStores();
    server = await startServer({
      content,
      sessions,
      authenticators,
      listen: { host: '127.0.0.1', port: 0 },
      version: '0.0.0-test',
      sessionKey: new Uint8Array(32),
      log: SILENT,
      sync,
    });
    close = () => content.close();
    proxy.setTarget(server.port);
  };
  const kill = async (): Promise<void> => {
    await server?.kill();
    server = undefined;
    await close();
    close = async () => {};
  };
  await start();
  onTestFinished(async () => {
    await proxy.close();
    await kill();
  });
  const stateHome = temporaryDirectory();
  const events: TransferEvent[] = [];
  const url = (urlPath: string): URL => new URL(`http://127.0.0.1:${proxy.port}${urlPath}`);
  return {
    root,
    proxy,
    stateHome,
    url,
    events,
    kill,
    start,
    options: (urlPath, changes = {}) => ({
      url: url(urlPath),
      token: async () => TOKEN,
      stateHome,
      retryForMs: 10_000,
      signal: new AbortController().signal,
      report: (event) => void events.push(event),
      resumeCommand: ['cairn', 'push'],
      chunkSizeBytes: CHUNK,
      ...changes,
    }),
    fetch: (urlPath) => fetchFrom(server!, urlPath),
  };
}

async function storesOf(
  kind: (typeof KINDS)[number],
  root: string,
): Promise<() => Promise<{ content: ContentStore; sessions: SessionStore }>> {
  if (kind === 'memory') {
    const contents = createMemoryObjects();
    const records = createMemoryObjects();
    return async () => ({
      content: createMemoryContentStore(contents, { minChunkSizeBytes: CHUNK }),
      sessions: createMemorySessionStore(records),
    });
  }
  const state = path.join(root, '.cairn', 'sessions');
  return async () => ({ content: await openLocalDisk(root), sessions: await openLocalSessionStore(state) });
}

async function fetchFrom(server: RunningServer, urlPath: string): Promise<Buffer | undefined> {
  const response = await fetch(`${server.url}${urlPath}`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status === 404) return undefined;
  if (response.status !== 200) throw new Error(`HTTP ${response.status}: ${body.toString()}`);
  return body;
}

/** The code of the CairnError that `work` ends with; fails where it ends well or with something else. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof CairnError && isErrorCode(error.code)) return error.code;
    throw error;
  }
  throw new Error('it ended well');
}
