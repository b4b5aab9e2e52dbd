/** Bytes as they are on a socket, and a server under attack that has to stay unharmed. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { file, transferOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { ALICE, call, openPush, openScene, type HandSession, type Scene } from '../../server/by-hand.ts';

/** The root of the protocol in request lines. */
export const ROOT = '/.cairn/v1/';

/** What came back on a socket. */
export interface Received {
  readonly text: string;
  /** Status codes of all answers, in order. */
  readonly statuses: readonly number[];
  /** Whether the server has ended the connection. */
  readonly isClosed: boolean;
}

/** How bytes are sent. */
export interface RawOptions {
  /** Longest time in all. */
  readonly limitMs?: number;
  /** It is over when nothing came for so long after an answer. */
  readonly quietMs?: number;
  /** It is over when so many answers have begun, however long that takes. */
  readonly answers?: number;
  /** Ends the sending side after the bytes: FIN. */
  readonly isEnded?: boolean;
}

/** Sends bytes on a connection of their own, and collects what comes back. Fails where nothing at all ever ends it. */
export function attack(
  port: number,
  bytes: string | Uint8Array | Iterable<string | Uint8Array>,
  { limitMs = 5000, quietMs = 150, answers, isEnded = false }: RawOptions = {},
): Promise<Received> {
  const pieces = typeof bytes === 'string' || bytes instanceof Uint8Array ? [bytes] : bytes;
  return new Promise((resolve) => {
    let text = '';
    let quiet: NodeJS.Timeout | undefined;
    const socket = connect(port, '127.0.0.1');
    const done = (isClosed: boolean): void => {
      clearTimeout(limit);
      clearTimeout(quiet);
      socket.destroy();
      resolve({ text, statuses: statusesOf(text), isClosed });
    };
    const limit = answers === undefined ? setTimeout(() => done(false), limitMs) : undefined;
    socket.on('error', () => undefined);
    socket.on('close', () => done(true));
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
      clearTimeout(quiet);
      if (answers === undefined) quiet = setTimeout(() => done(false), quietMs);
      else if (statusesOf(text).length >= answers) done(false);
    });
    const source = pieces[Symbol.iterator]();
    const send = (): void => {
      for (;;) {
        const next = source.next();
        if (next.done === true) {
          if (isEnded) socket.end();
          return;
        }
        if (socket.destroyed) return;
        if (!socket.write(next.value)) {
          socket.once('drain', send);
          return;
        }
      }
    };
    socket.once('connect', send);
  });
}

function statusesOf(text: string): number[] {
  return [...text.matchAll(/(?:^|[}\n])HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
}

/** A request as text. The Host header is there unless `headers` has one of its own. */
export function request(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): string {
  const named = Object.keys(headers).map((name) => name.toLowerCase());
  const lines = [
    ...(named.includes('host') ? [] : ['Host: test']),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === '' || named.includes('content-length') || named.includes('transfer-encoding')
      ? []
      : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** A server over a directory of its own, with a sentinel beside it. */
export interface Fortress {
  readonly scene: Scene;
  readonly root: string;
  readonly port: number;
  /**
   * Serves an honest client as before, holds nothing but what honest clients brought, has touched nothing outside of its
   * root, and has logged neither a bug nor a secret.
   */
  expectUnharmed(): Promise<void>;
}

const SENTINEL = 'nobody writes here';

/** Starts a server to attack; it goes with the test. */
export async function openFortress(changes: Parameters<typeof openScene>[1] = {}): Promise<Fortress> {
  const parent = temporaryDirectory();
  const root = path.join(parent, 'served');
  mkdirSync(root);
  writeFileSync(path.join(parent, 'sentinel'), SENTINEL);
  const scene = await openScene('local disk', { ...changes, root });
  let honest = 0;
  const names: string[] = [];
  return {
    scene,
    root,
    get port() {
      return scene.server.port;
    },
    expectUnharmed: async () => {
      const name = `honest-${++honest}`;
      names.push(name);
      const bytes = `from ${name}`;
      const session = await openPush(scene, transferOf(scene.stores.content, name, [file('', bytes)]));
      expect((await session.putChunk(0)).status).toBe(200);
      expect((await session.commit()).status).toBe(200);
      expect((await call(scene, 'GET', `/${name}`, { token: ALICE })).body.toString()).toBe(bytes);
      expect(readdirSync(parent).toSorted()).toEqual(['sentinel', 'served']);
      expect(readFileSync(path.join(parent, 'sentinel'), 'utf8')).toBe(SENTINEL);
      expect(readdirSync(root).toSorted()).toEqual(['.cairn', ...names].toSorted());
      expect(scene.logged.filter((line) => line.includes('"code":"internal"'))).toEqual([]);
      expect(scene.logged.join('\n')).not.toContain(ALICE);
    },
  };
}

/** Sends one request of a session, as raw bytes. */
export function attackSession(
  { port }: Fortress,
  session: HandSession,
  {
    method,
    route,
    headers = {},
    body = '',
  }: {
    method: string;
    route: string;
    headers?: Readonly<Record<string, string>>;
    body?: string;
  },
  options: RawOptions = {},
): Promise<Received> {
  const target = `${ROOT}sessions/${session.terms.session}/${route}`;
  return attack(port, request(method, target, { ...session.headers, ...headers }, body), options);
}

/** How much the memory of this process grows while `work` runs, in MiB, at its highest. */
export async function memoryGrowth(work: () => Promise<void>): Promise<number> {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
  onTestFinished(() => clearInterval(timer));
  await work();
  clearInterval(timer);
  return (most - before) / 1024 ** 2;
}
