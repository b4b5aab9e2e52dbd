/** What a client hardly waits for: a host that does not exist, TLS that comes to nothing, another server in place of its own. */
import type { IncomingMessage } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CairnError } from '../../src/base/errors.ts';
import { isHopeless, networkError } from '../../src/client/http/connection-error.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { push } from '../../src/client/push.ts';
import { pushStream } from '../../src/client/push-stream.ts';
import { startMeddlingProxy } from '../support/meddling-proxy.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { openScene, TOKEN } from './support/scene.ts';

const ofSystem = (code: string): CairnError =>
  networkError(Object.assign(new Error(code), { code }), 'http://host.example');

test.each(['ENOTFOUND', 'EAI_FAIL', 'EPROTO', 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR'])(
  'a client takes an error %s of the system for one that waiting hardly cures',
  (code) => expect([ofSystem(code).code, isHopeless(ofSystem(code))]).toEqual(['network', true]),
);

test.each(['EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'ENETUNREACH', 'EHOSTUNREACH'])(
  'a client takes an error %s of the system for one that may be over in a while',
  (code) => expect(isHopeless(ofSystem(code))).toBe(false),
);

/** A server that refuses every handshake by an alert of TLS, and how often it was asked. */
async function refuseHandshakes(): Promise<{ url: URL; asked(): number }> {
  let asked = 0;
  const server = createServer((socket) => {
    asked += 1;
    socket.on('error', () => undefined);
    // internal_error (RFC 8446, section 6.2)
    socket.once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 80])));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`https://127.0.0.1:${port}/file`), asked: () => asked };
}

function pushTo(url: URL, changes: Partial<TransferOptions>): Promise<unknown> {
  const source = path.join(temporaryDirectory(), 'file');
  writeFileSync(source, 'x');
  const options: TransferOptions = {
    url,
    token: async () => 'token',
    stateHome: temporaryDirectory(),
    resumeCommand: [],
    retryForMs: 600_000,
    signal: new AbortController().signal,
    report: () => undefined,
    ...changes,
  };
  return push([source], options).catch((error: unknown) => error);
}

test('a push ends at the first refused handshake where nothing was begun, and keeps nothing', async () => {
  const { url, asked } = await refuseHandshakes();
  const error = await pushTo(url, {});
  expect(error).toMatchObject({ code: 'network', details: { isKept: false } });
  expect(asked()).toBe(1);
});

test('a push tries a refused handshake again where the user said how long to wait', async () => {
  const { url, asked } = await refuseHandshakes();
  const error = await pushTo(url, { isPatient: true, retryForMs: 1500 });
  expect((error as CairnError).message).toContain('given up after 2 s');
  expect(asked()).toBeGreaterThan(1);
});

/** A clock that goes on by so much at each look: nothing is waited for. */
function fastClock(stepMs: number): () => number {
  let ms = 0;
  return () => (ms += stepMs);
}

/** A server behind which another one has taken its place, except for its greeting. */
async function replacedServer(): Promise<URL> {
  const scene = await openScene('memory');
  const answers = ({ url }: IncomingMessage): number | undefined =>
    /sessions|trees?/.test(url ?? '') ? 404 : undefined;
  const port = await startMeddlingProxy(scene.proxy.port, { answers });
  return new URL(`http://127.0.0.1:${port}/file`);
}

describe('another web server in place of the one that was found', () => {
  const wish = { token: async () => TOKEN, random: () => 0, now: fastClock(100) };

  test("a push gives up after five seconds when another server has taken its server's place and nothing was begun", async () => {
    const error = await pushTo(await replacedServer(), wish);
    expect(error).toMatchObject({ code: 'network', details: { isKept: false } });
    expect((error as CairnError).message).toMatch(/something other.*given up after 5 s/);
  });

  test('a push waits for its server behind another one as long as the user said', async () => {
    const error = await pushTo(await replacedServer(), { ...wish, isPatient: true, retryForMs: 20_000 });
    expect((error as CairnError).message).toContain('given up after 20 s');
  });

  test('a push of a pipe that has begun waits for its server, since the pipe cannot be read twice', async () => {
    const scene = await openScene('memory');
    const answers = ({ url }: IncomingMessage): number | undefined =>
      /chunks/.test(url ?? '') ? 404 : undefined;
    const port = await startMeddlingProxy(scene.proxy.port, { answers });
    const url = new URL(`http://127.0.0.1:${port}/file`);
    const source = (async function* pieces() {
      yield Buffer.from('x');
    })();
    const running = pushStream(source, scene.options('/file', { ...wish, url, retryForMs: 20_000 }));
    await expect(running).rejects.toThrow(/given up after 20 s/);
  });
});
