/** The requests of connections that read into memory which they have together. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createHttpServer } from '../../src/server/http/listen.ts';
import { DEFAULT_LIMITS } from '../../src/server/server-limits.ts';
import { createLimitedLog } from '../../src/server/http/log-limiter.ts';
import { createRefusals } from '../../src/server/http/refusals.ts';
import { until } from './by-hand.ts';

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

/** A server that answers as it is told, and a way to connect to it. */
async function serve(onRequest: OnRequest): Promise<() => Promise<Socket>> {
  const bugs: string[] = [];
  const note = (_fields: object, message: string): void => void bugs.push(message);
  const limitedLog = createLimitedLog({ debug: note, info: note, warn: note, error: note });
  const refusals = createRefusals(limitedLog);
  const context = { limits: DEFAULT_LIMITS, limitedLog, refusals, isTrustedProxy: () => false };
  const { server, connections } = createHttpServer({ onRequest }, context);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => void server.close(resolve));
    connections.destroy();
    // A connection that is not counted off would be waited for.
    await closed;
    expect(bugs).toEqual([]);
  });
  return async () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await new Promise((resolve) => void socket.once('connect', resolve));
    return socket;
  };
}

function put(fill: number, bytes: number): Buffer {
  const head = `PUT /${fill} HTTP/1.1\r\nHost: test\r\nContent-Length: ${bytes}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, fill)]);
}

async function writeInPieces(socket: Socket, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += 1500) {
    socket.write(bytes.subarray(at, at + 1500));
    // oxlint-disable-next-line no-await-in-loop -- each piece is to be a packet of its own
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('pieces of request bodies stay as they were sent, however long the receiver keeps them', async () => {
  const kept: { fill: number; pieces: Buffer[] }[] = [];
  const dial = await serve((request, response) => {
    const body = { fill: Number(request.url!.slice(1)), pieces: [] as Buffer[] };
    kept.push(body);
    request.on('data', (piece: Buffer) => {
      body.pieces.push(piece);
      request.pause();
      setImmediate(() => request.resume());
    });
    // What comes behind has to wait, half of it in memory.
    request.on('end', () => setTimeout(() => response.end(), 5));
  });
  const lengths = [1, 300_000, 0, 20_000, 5, 700, 3000, 40, 70_000];
  const sockets = await Promise.all(Array.from({ length: 8 }, dial));
  let answers = 0;
  for (const [at, socket] of sockets.entries()) {
    socket.on('data', (piece) => (answers += piece.toString('latin1').split('HTTP/1.1 200').length - 1));
    const all = Buffer.concat(lengths.map((bytes, index) => put(at * 10 + index, bytes)));
    // In pieces that are read while others wait, and at once.
    if (at % 2 === 0) void writeInPieces(socket, all);
    else socket.write(all);
  }
  await until(async () => answers === 8 * lengths.length);
  expect(kept).toHaveLength(8 * lengths.length);
  for (const { fill, pieces } of kept) {
    const body = Buffer.concat(pieces);
    expect(body.equals(Buffer.alloc(lengths[fill % 10]!, fill)), `body ${fill}`).toBe(true);
  }
});

test.each([0, 1, 3])(
  'a server notices a connection that dies before its answer is ready, after %i others',
  async (before) => {
    let asked = 0;
    let hasDied = false;
    const dial = await serve((_request, response) => {
      asked += 1;
      if (asked <= before) response.end();
      else response.once('close', () => (hasDied = true));
    });
    const socket = await dial();
    socket.write(Buffer.concat(Array.from({ length: before + 3 }, () => put(7, 100))));
    await until(async () => asked === before + 1);
    expect(hasDied).toBe(false);
    socket.resetAndDestroy();
    await until(async () => hasDied);
    expect(asked).toBe(before + 1);
  },
);
