/** A server that speaks the protocol as far as it serves its purpose, and lies where the test wants it to. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import type { TransferEvent } from '../../../src/client/api/events.ts';
import type { TransferOptions } from '../../../src/client/api/options.ts';
import { loadHasher } from '../../../src/manifest/digest.ts';
import { PROBLEM_TYPE } from '../../../src/wire/problem.ts';
import { temporaryDirectory } from '../../support/trees.ts';

/** Bytes of a chunk of every transfer here. */
export const CHUNK = 65_536;
/** The secret that no hostile server may see before it has shown that it speaks the protocol, and no other origin ever. */
export const TOKEN = 'victim-token-000000000000000000000000000000';

const LINK = '<./.cairn/v1/>; rel="urn:cairn:protocol"';
const HELLO = { server: 'cairn', version: '1', protocol: { major: 1, minor: 0 } };

/** One request to the liar. */
export interface Asked {
  readonly method: string;
  /** Below the protocol root; `undefined` for a request of anything else. */
  readonly route: string | undefined;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The body, where it is small. */
  readonly body: string;
}

/** Answers a request, or leaves it to the honest part of the liar by answering false. */
export type Lie = (asked: Asked) => boolean | void | Promise<boolean | void>;

/** Answers with JSON. */
export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}

/** Answers with a problem document. */
export function problem(response: ServerResponse, status: number, value: object, headers = {}): void {
  response.writeHead(status, { 'Content-Type': PROBLEM_TYPE, ...headers }).end(JSON.stringify(value));
}

/** The tree that these lines are, with its id. */
export function tree(lines: readonly string[]): { text: string; id: string } {
  const all = [`["cairn-manifest",1,${CHUNK},"xxh64"]`, ...lines].map((line) => `${line}\n`);
  // Notices are no part of the tree itself.
  const own = all.filter((line) => !line.startsWith('["w",'));
  const id = createHash('sha256').update(own.join('')).digest('hex');
  const body = all.join('');
  return { text: `${body}["end","${id}"]\n`, id };
}

/** The grant of a session. */
export function grant(changes: object = {}): object {
  return {
    session: 'A'.repeat(22),
    credential: 'B'.repeat(43),
    epoch: 1,
    state: 'establishing',
    direction: 'pull',
    digest: 'xxh64',
    chunkSizeBytes: CHUNK,
    parallel: 4,
    leaseMs: 100_000,
    manifestId: null,
    resumed: false,
    holdsPartialChunks: true,
    ...changes,
  };
}

const createHasher = await loadHasher('xxh64');

/** A chunk as it goes over the wire: its bytes and their digest. */
export function chunkOf(bytes: Uint8Array): Buffer {
  const hasher = createHasher();
  hasher.update(bytes);
  return Buffer.concat([bytes, hasher.digest()]);
}

/** What is offered in a pull. */
export interface Offer {
  readonly lines?: readonly string[];
  /** Bytes of the chunks, in order. */
  readonly chunks?: readonly Uint8Array[];
}

/** A liar that listens, and a victim's options. */
export interface Trap {
  readonly url: URL;
  readonly options: TransferOptions & { readonly events: TransferEvent[] };
  /** Request lines with what they showed as their authority. */
  readonly asked: { readonly line: string; readonly authorization: string | undefined }[];
  /** Where the victim pulls to: below a directory with a sentinel. */
  readonly destination: string;
  /** Nothing is beside the destination that was not there. */
  expectNothingOutside(): void;
}

/** Starts a liar. What `lie` does not answer is answered honestly for `offer`. */
export async function setTrap(
  lie: Lie,
  offer: Offer = {},
  changes: Partial<TransferOptions> = {},
): Promise<Trap> {
  const asked: Trap['asked'] = [];
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    const { method = '', url = '', headers } = request;
    asked.push({ line: `${method} ${url}`, authorization: headers.authorization });
    void (async () => {
      const body = await collect(request);
      const route = /^(?:.*?)\/\.cairn\/v1\/(.*)$/.exec(url)?.[1];
      const given: Asked = { method, route, request, response, body };
      if ((await lie(given)) !== false && response.writableEnded) return;
      if (response.headersSent || response.destroyed) return;
      answerHonestly(given, offer);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, ...victim((server.address() as AddressInfo).port, changes) };
}

/** Starts a server that speaks on bare sockets. */
export async function setRawTrap(
  onSocket: (socket: Socket, request: string) => void,
  changes: Partial<TransferOptions> = {},
): Promise<Trap> {
  const asked: Trap['asked'] = [];
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      const text = piece.toString('latin1');
      const authorization = /^authorization: (.*)$/im.exec(text)?.[1];
      asked.push({ line: text.split(' HTTP')[0]!, authorization });
      onSocket(socket, text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { asked, ...victim((server.address() as AddressInfo).port, changes) };
}

/** Answers of bare sockets to what a client asks before it trusts: where the protocol is, and its greeting. */
export function greet(socket: Socket, request: string): boolean {
  if (request.startsWith('HEAD ')) {
    socket.write(`HTTP/1.1 404 Not Found\r\nLink: ${LINK}\r\nContent-Length: 0\r\n\r\n`);
    return true;
  }
  if (!request.startsWith('GET /.cairn/v1/ ')) return false;
  const body = JSON.stringify(HELLO);
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  return true;
}

function victim(port: number, changes: Partial<TransferOptions>): Omit<Trap, 'asked'> {
  const parent = temporaryDirectory();
  const destination = path.join(parent, 'destination');
  mkdirSync(destination);
  writeFileSync(path.join(parent, 'sentinel'), 'as it was');
  const events: TransferEvent[] = [];
  const url = new URL(`http://127.0.0.1:${port}/tree`);
  return {
    url,
    destination,
    options: {
      url,
      token: async () => TOKEN,
      stateHome: temporaryDirectory(),
      retryForMs: 600,
      signal: new AbortController().signal,
      report: (event) => void events.push(event),
      resumeCommand: ['cairn', 'pull'],
      chunkSizeBytes: CHUNK,
      events,
      ...changes,
    },
    expectNothingOutside: () => {
      expect(readdirSync(parent).toSorted()).toEqual(['destination', 'sentinel']);
      expect(readFileSync(path.join(parent, 'sentinel'), 'utf8')).toBe('as it was');
    },
  };
}

async function collect(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of request) if (pieces.length < 100) pieces.push(piece as Buffer);
  } catch {
    return ''; // the client has gone
  }
  return Buffer.concat(pieces).toString();
}

function answerHonestly({ method, route, response }: Asked, { lines = [], chunks = [] }: Offer): void {
  const { text, id } = tree(lines);
  const bytesTotal = chunks.reduce((sum, { length }) => sum + length, 0);
  if (route === undefined) response.writeHead(404, { Link: LINK }).end();
  else if (route === '') json(response, HELLO);
  else if (route === 'sessions') json(response, grant(), 201);
  else if (route.startsWith('tree')) response.writeHead(200).end(text);
  else if (route.endsWith('/resume'))
    json(response, grant({ epoch: 2, state: 'open', manifestId: id, resumed: true }));
  else if (route.endsWith('/manifest')) response.writeHead(200).end(text);
  else if (route.endsWith('/plan')) json(response, { chunkCount: chunks.length, bytesTotal });
  else if (/\/chunks\/\d+$/.test(route) && method === 'GET') {
    const chunk = chunks[Number(/\d+$/.exec(route)![0])] ?? new Uint8Array();
    const body = chunkOf(chunk);
    response.writeHead(200, { 'Content-Length': body.length }).end(body);
  } else if (route.endsWith('/sync')) json(response, { syncPoint: 1, durableSyncPoint: 1 });
  else json(response, {});
}

/** Agrees to whatever the client commits. */
export function commits({ route, response, body }: Asked): boolean {
  if (route?.endsWith('/commit') !== true) return false;
  const { digest } = JSON.parse(body) as { digest: string };
  json(response, { state: 'committed', entriesDone: 1, entriesTotal: 1, digest });
  return true;
}

/** The code that `work` ends with, within a time limit. A success, a bug and a hang fail the test. */
export async function endOf(work: Promise<unknown>, limitMs = 10_000): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it hangs: no end within ${limitMs} ms`)), limitMs);
  });
  try {
    await Promise.race([work, late]);
  } catch (error) {
    if (!(error instanceof CairnError) || error.code === 'internal') throw error;
    return error.code;
  } finally {
    clearTimeout(timer);
  }
  throw new Error('it ended well');
}
