/** Servers over both kinds of stores, and a client that speaks the protocol by hand. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { encodeTree } from '../../src/wire/tree-stream.ts';
import type { CommitRequest, EstablishRequest, SessionTerms } from '../../src/wire/messages.ts';
import type { SyncMode } from '../../src/session/sync-mode.ts';
import { transferDigest } from '../../src/manifest/digest.ts';
import type { Authenticator } from '../../src/server/access/authenticator.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { startServer, type RunningServer } from '../../src/server/server.ts';
import type { ServerOptions } from '../../src/server/server-options.ts';
import type { ChunkStaging, ContentStore, IncomingTransfer } from '../../src/storage/content-store.ts';
import { openLocalDisk } from '../../src/storage/disk/local-disk.ts';
import { openLocalSessionStore } from '../../src/storage/state/local-session-store.ts';
import { createMemoryObjects } from '../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../src/storage/objects/object-store.ts';
import { createMemoryContentStore } from '../support/memory-stores/memory-content-store.ts';
import { createMemorySessionStore } from '../support/memory-stores/memory-session-store.ts';
import type { SessionStore } from '../../src/storage/state/session-store.ts';
import { chunkBytes, chunkCountOf, digestOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';

export const ALICE = 'alice-secret-0123456789abcdefghijklmnopqrst';
export const BOB = 'bob-secret-0123456789abcdefghijklmnopqrstuv';

const authenticators: readonly Authenticator[] = [
  createStaticToken(ALICE, { id: 'token:alice', principal: 'alice' }),
  createStaticToken(BOB, { id: 'token:bob', principal: 'bob' }),
];

/** The kinds of stores that every test of the protocol runs against. */
export const KINDS = ['local disk', 'memory'] as const;
export type Kind = (typeof KINDS)[number];

interface Stores {
  readonly content: ContentStore;
  readonly sessions: SessionStore;
}

/** A server of a test, with what it stands on. */
export interface Scene {
  server: RunningServer;
  stores: Stores;
  readonly kind: Kind;
  /** Everything that was logged, as text. */
  readonly logged: string[];
  /** The server's clock runs this much ahead. */
  clock: { aheadMs: number };
  /** Kills or drains the server and starts another one over what is kept. */
  restart(how?: 'kill' | 'drain'): Promise<void>;
}

type Changes = Partial<Omit<ServerOptions, 'content' | 'sessions'>> & {
  wrap?: (content: ContentStore) => ContentStore;
  /** Where a local disk lies; a temporary directory, unless the test wants another. */
  root?: string;
  /** What a memory store lies over; its own, unless servers of the test share it. */
  objects?: ObjectStore;
};

/** Starts a server that goes with the test. */
export async function openScene(kind: Kind, changes: Changes = {}): Promise<Scene> {
  const logged: string[] = [];
  const note = (fields: object, message: string): void => {
    const text = JSON.stringify(fields, (_, value: unknown) =>
      value instanceof Error ? value.stack : value,
    );
    logged.push(`${message} ${text}`);
  };
  const log = { debug: note, info: note, warn: note, error: note };
  const clock = { aheadMs: 0 };
  const {
    wrap = (content: ContentStore) => content,
    root = temporaryDirectory(),
    objects,
    ...rest
  } = changes;
  const openStores = kind === 'memory' ? memoryStores(objects) : diskStores(root);
  const start = async (): Promise<Pick<Scene, 'server' | 'stores'>> => {
    const stores = await openStores();
    const server = await startServer({
      authenticators,
      listen: { host: '127.0.0.1', port: 0 },
      version: '0.0.0-test',
      sessionKey: new Uint8Array(32),
      log,
      now: () => Date.now() + clock.aheadMs,
      ...rest,
      content: wrap(stores.content),
      sessions: stores.sessions,
    });
    return { server, stores };
  };
  const scene: Scene = {
    ...(await start()),
    kind,
    logged,
    clock,
    restart: async (how = 'kill') => {
      await scene.server[how]();
      await scene.stores.content.close();
      Object.assign(scene, await start());
    },
  };
  onTestFinished(async () => {
    await scene.server.kill();
    await scene.stores.content.close();
  });
  return scene;
}

function memoryStores(objects = createMemoryObjects()): () => Promise<Stores> {
  return async () => ({
    content: createMemoryContentStore(objects),
    sessions: createMemorySessionStore(objects),
  });
}

function diskStores(root: string): () => Promise<Stores> {
  return async () => ({
    content: await openLocalDisk(root),
    sessions: await openLocalSessionStore(path.join(root, '.cairn', 'sessions')),
  });
}

/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON; undefined where it is none. */
  readonly json: any; // oxlint-disable-line typescript/no-explicit-any -- tests look into it freely
}

interface CallOptions {
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
}

/** One request over a connection of its own. */
export function call(
  scene: Scene,
  method: string,
  target: string,
  options: CallOptions = {},
): Promise<Answer> {
  const { token, headers = {}, body } = options;
  const bytes = body === undefined ? undefined : Buffer.from(body);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        agent: new Agent(),
        host: '127.0.0.1',
        port: scene.server.port,
        method,
        path: target,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(bytes === undefined || 'transfer-encoding' in headers
            ? {}
            : { 'content-length': bytes.length }),
          ...headers,
        },
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const whole = Buffer.concat(pieces);
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: whole,
            json: jsonOf(whole),
          });
        });
      },
    );
    request.on('error', reject);
    request.end(bytes);
  });
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

/** Sends bytes as they are and returns all that comes back, until the server closes or has been quiet for `quietMs`. */
export function raw(scene: Scene, bytes: string | Uint8Array, quietMs = 1500): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    let timer: NodeJS.Timeout | undefined;
    const socket = connect(scene.server.port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (piece) => {
      received += piece.toString('latin1');
      // From the first byte on: however long a busy machine takes until then.
      clearTimeout(timer);
      timer = setTimeout(() => socket.destroy(), quietMs);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(received);
    });
  });
}

/** The lines of an NDJSON body; empty ones left out. */
export function linesOf(answer: Answer): unknown[] {
  const lines = answer.body
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as unknown);
}

const ROOT = '/.cairn/v1/';

/** A session as a client holds it. */
export class HandSession {
  readonly scene: Scene;
  readonly transfer: SampleTransfer;
  terms: SessionTerms;

  constructor(scene: Scene, transfer: SampleTransfer, terms: SessionTerms) {
    this.scene = scene;
    this.transfer = transfer;
    this.terms = terms;
  }

  get headers(): Record<string, string> {
    return { 'cairn-credential': this.terms.credential, 'cairn-epoch': String(this.terms.epoch) };
  }

  /** A request of this session; `route` is what follows its id. */
  call(method: string, route: string, options: CallOptions = {}): Promise<Answer> {
    const { headers = {}, body, token } = options;
    const target = `${ROOT}sessions/${this.terms.session}${route === '' ? '' : `/${route}`}`;
    return call(this.scene, method, target, { token, body, headers: { ...this.headers, ...headers } });
  }

  /** Sends a JSON message. */
  post(method: string, route: string, message: unknown = {}): Promise<Answer> {
    return this.call(method, route, { body: JSON.stringify(message) });
  }

  async resume(token = ALICE, wishes: { sync?: SyncMode } = {}): Promise<Answer> {
    const answer = await this.call('POST', 'resume', { token, body: JSON.stringify(wishes) });
    if (answer.status === 200) this.terms = answer.json as SessionTerms;
    return answer;
  }

  sendManifest(): Promise<Answer> {
    return this.call('PUT', 'manifest', { body: [...encodeTree(this.transfer.manifest)].join('') });
  }

  sendPlan(plan: { have: number[]; attributes: number[] } = { have: [], attributes: [] }): Promise<Answer> {
    return this.post('PUT', 'plan', plan);
  }

  /** The body of a chunk from `offset` on. */
  chunkBody(chunk: number, offset = 0): Buffer {
    const bytes = chunkBytes(this.transfer, chunk);
    return Buffer.concat([bytes.subarray(offset), digestOf(this.transfer, bytes)]);
  }

  putChunk(chunk: number, offset = 0): Promise<Answer> {
    const headers = { 'cairn-offset': String(offset) };
    return this.call('PUT', `chunks/${chunk}`, { headers, body: this.chunkBody(chunk, offset) });
  }

  /** Sends the beginning of a chunk over a connection of its own, which stays open. */
  beginChunk(chunk: number, sentBytes: number): Promise<Socket> {
    const body = this.chunkBody(chunk);
    const head = [
      `PUT ${ROOT}sessions/${this.terms.session}/chunks/${chunk} HTTP/1.1`,
      'Host: test',
      `Content-Length: ${body.length}`,
      ...Object.entries(this.headers).map(([name, value]) => `${name}: ${value}`),
      '',
      '',
    ].join('\r\n');
    return new Promise((resolve) => {
      const socket = connect(this.scene.server.port, '127.0.0.1', () => {
        socket.write(head);
        socket.write(body.subarray(0, sentBytes), () => resolve(socket));
      });
      socket.on('error', () => undefined);
    });
  }

  /** How many of its first bytes the server says it has of a chunk. */
  async bytesThere(chunk: number): Promise<number> {
    return Number((await this.call('HEAD', `chunks/${chunk}`)).headers['cairn-offset']);
  }

  /** The commit that is right, all but what `changes` says. */
  commit(changes: Partial<CommitRequest> = {}): Promise<Answer> {
    return this.post('POST', 'commit', { ...this.claim(), excluded: [], ...changes });
  }

  /** The same, asked again as a client does as long as the answer is that it goes on. */
  async commitToEnd(changes: Partial<CommitRequest> = {}): Promise<Answer> {
    for (;;) {
      const answer = await this.commit(changes);
      if (answer.status !== 202) return answer;
    }
  }

  claim(): { digest: string; bytesTotal: number } {
    const chunks = Array.from({ length: chunkCountOf(this.transfer) }, (_, chunk) => chunk);
    const bytesOf = (chunk: number): Buffer => chunkBytes(this.transfer, chunk);
    const bytesTotal = chunks.reduce((sum, chunk) => sum + bytesOf(chunk).length, 0);
    const digests = chunks.map((chunk) => [chunk, digestOf(this.transfer, bytesOf(chunk))] as const);
    return { digest: transferDigest(this.transfer.manifest.id, bytesTotal, digests), bytesTotal };
  }
}

/** What a client sends to begin a transfer. */
export function establishRequest(
  transfer: SampleTransfer,
  direction: 'push' | 'pull',
  target: string,
): object {
  const { chunkSizeBytes, digest } = transfer.manifest;
  return {
    protocol: { major: 1, minor: 0 },
    direction,
    target,
    digests: [digest],
    chunkSizeBytes,
    parallel: 4,
  };
}

/** Establishes a session for a transfer. */
export async function establish(
  scene: Scene,
  transfer: SampleTransfer,
  direction: 'push' | 'pull' = 'push',
  { token = ALICE, ...wishes }: Partial<EstablishRequest> & { token?: string } = {},
): Promise<HandSession> {
  const target = `/${transfer.target}`;
  const body = JSON.stringify({ ...establishRequest(transfer, direction, target), ...wishes });
  const answer = await call(scene, 'POST', `${ROOT}sessions`, { token, body });
  if (answer.status !== 201) throw new Error(`HTTP ${answer.status}: ${answer.body.toString()}`);
  return new HandSession(scene, transfer, answer.json as SessionTerms);
}

/** Establishes a push and goes on until chunks can be sent. */
export async function openPush(
  scene: Scene,
  transfer: SampleTransfer,
  wishes: { sync?: SyncMode; token?: string } = {},
): Promise<HandSession> {
  const session = await establish(scene, transfer, 'push', wishes);
  const steps = [() => session.sendManifest(), () => session.sendPlan()];
  for (const step of steps) {
    const { status, body } = await step();
    if (status !== 200) throw new Error(`HTTP ${status}: ${body.toString()}`);
  }
  return session;
}

/** An object with some of its methods replaced. */
export function intercept<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const value = (Reflect.get(replaced, name) ?? Reflect.get(target, name, target)) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A store whose staged chunks have some of their methods replaced. */
export function interceptChunks(
  content: ContentStore,
  replace: (chunks: ChunkStaging) => Partial<ChunkStaging>,
): ContentStore {
  return intercept(content, {
    openStaging: async (id) => {
      const area = await content.openStaging(id);
      const openChunks = async (transfer: IncomingTransfer): Promise<ChunkStaging> => {
        const chunks = await area.openChunks(transfer);
        return intercept(chunks, replace(chunks));
      };
      return intercept(area, { openChunks });
    },
  });
}

/** Waits until `check` holds, for minutes on a machine that is busy. */
export async function until(check: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 10_000; attempt++) {
    if (await check()) return;
    await delay(20);
  }
  throw new Error('what was waited for did not come');
}
