/** A client refuses servers that offer no more than old TLS. */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { handshakeError, networkError } from '../../src/client/http/connection-error.ts';
import { openConnection } from '../../src/client/http/connection.ts';
import { issueServer } from '../support/certificates.ts';

/** The status that a client gets from a server that offers only this. */
async function statusOver(offer: SecureContextOptions, hasOwnAuthority = true): Promise<number> {
  const { cert, key } = await issueServer();
  const server = createServer({ cert, key, ...offer }, (_request, response) => void response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = new URL(`https://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const files = { ca: cert, cert: undefined, key: undefined };
  const connection = await openConnection(url, {
    connections: 1,
    tls: hasOwnAuthority ? async () => files : undefined,
  });
  onTestFinished(() => connection.close());
  const { status, discard } = await connection.exchange({ method: 'HEAD', url });
  await discard();
  return status;
}

test('a client speaks TLS 1.2 where the keys are ephemeral and what is sent is authenticated', async () => {
  expect(await statusOver({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).toBe(200);
  expect(await statusOver({ minVersion: 'TLSv1.3' })).toBe(200);
});

test.each([
  ['CBC suites', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384' }],
  ['TLS 1.1', { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
] as const)('a client does not speak with a server that has only %s', async (_what, offer) => {
  await expect(statusOver(offer)).rejects.toMatchObject({ code: 'not-a-cairn-server' });
  await expect(statusOver(offer, false)).rejects.toMatchObject({ code: 'not-a-cairn-server' });
});

const alert = (code: string): Error => Object.assign(new Error(code), { code });

test.each(['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE'])(
  'a client takes %s for a server that has nothing in common with it, whatever OpenSSL calls it',
  (code) =>
    expect(handshakeError(alert(code), 'https://host.example')).toMatchObject({ code: 'not-a-cairn-server' }),
);

test.each(['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE'])(
  'a client takes %s for a server that wants another certificate, whatever OpenSSL calls it',
  (code) =>
    expect(networkError(alert(code), 'https://host.example')).toMatchObject({ code: 'unauthenticated' }),
);
