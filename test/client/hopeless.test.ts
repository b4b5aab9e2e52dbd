/** What a client does not wait for: a host that does not exist, and TLS that comes to nothing. */
import { createServer, type AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { CairnError } from '../../src/base/errors.ts';
import { isHopeless, networkError } from '../../src/client/http/connection-error.ts';
import type { TransferOptions } from '../../src/client/options.ts';
import { push } from '../../src/client/push.ts';
import { temporaryDirectory } from '../support/trees.ts';

const ofSystem = (code: string): CairnError =>
  networkError(Object.assign(new Error(code), { code }), 'http://host.example');

test.each(['ENOTFOUND', 'EAI_FAIL', 'EPROTO', 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR'])(
  '%s hardly becomes another answer by waiting',
  (code) => expect([ofSystem(code).code, isHopeless(ofSystem(code))]).toEqual(['network', true]),
);

test.each(['EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'ENETUNREACH', 'EHOSTUNREACH'])(
  '%s may be over in a while',
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

test('a refused handshake ends a transfer at once where nothing was begun, and nothing is said to be kept', async () => {
  const { url, asked } = await refuseHandshakes();
  const error = await pushTo(url, {});
  expect(error).toMatchObject({ code: 'network', details: { isKept: false } });
  expect(asked()).toBe(1);
});

test('a refused handshake is waited for where somebody said how long to wait', async () => {
  const { url, asked } = await refuseHandshakes();
  const error = await pushTo(url, { isPatient: true, retryForMs: 1500 });
  expect((error as CairnError).message).toContain('given up after 2 s');
  expect(asked()).toBeGreaterThan(1);
});
