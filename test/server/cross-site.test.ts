/** What a browser sends for a page of another site, to a server that takes the user's client certificate. */
import { request } from 'node:https';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createCertificateAuthenticator } from '../../src/server/access/certificates.ts';
import { SCOPES } from '../../src/session/scopes.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { openTls } from '../../src/server/access/kept-tls.ts';
import {
  issue,
  issueAuthority,
  issueServer,
  writeAuthorities,
  writeIssued,
} from '../support/certificates.ts';
import { ALICE, openScene } from './by-hand.ts';

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const JSON_TYPE = { 'content-type': 'application/json' };

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Whether the client certificate of the user is shown. */
  readonly isShown?: boolean;
}

type Answer = { status: number; code: string | undefined };

/** A server, and what a browser with the certificate of its user gets from it. */
async function openBrowser(): Promise<{ ask: (asked: Asked) => Promise<Answer>; origin: string }> {
  const authority = await issueAuthority('clients');
  const user = await issue({ name: 'alice' }, authority);
  const own = await issueServer();
  const files = writeIssued(own);
  const tls = await openTls(
    { certFile: files.cert, keyFile: files.key, clientCaFile: writeAuthorities(authority) },
    SILENT,
  );
  onTestFinished(() => tls.close());
  const authenticators = [
    createStaticToken(ALICE, { id: 'token:alice', principal: 'alice' }),
    createCertificateAuthenticator(tls, { scopes: SCOPES, path: [] }),
  ];
  const { server } = await openScene('memory', { tls, authenticators });
  const where = { host: '127.0.0.1', port: server.port, ca: own.cert, agent: false as const };
  // A browser whose user has said yes to the wrong name.
  const believing = { checkServerIdentity: () => undefined };
  const ask = ({ method = 'POST', path = '/.cairn/v1/sessions', isShown = true, ...rest }: Asked) =>
    new Promise<Answer>((resolve, reject) => {
      const shown = isShown ? user : {};
      const asking = request(
        { ...where, ...believing, ...shown, method, path, headers: rest.headers ?? {} },
        (response) => {
          response.resume().on('end', () => {
            resolve({
              status: response.statusCode!,
              code: response.headers['cairn-error'] as string | undefined,
            });
          });
        },
      );
      asking.on('error', reject);
      asking.end(rest.body);
    });
  return { ask, origin: `https://127.0.0.1:${server.port}` };
}

const establish = JSON.stringify({
  protocol: { major: 1, minor: 0 },
  direction: 'push',
  target: '/x',
  digests: ['xxh64'],
  chunkSizeBytes: 65_536,
  parallel: 1,
});

describe('requests with a client certificate', () => {
  test('a program with a client certificate that declares its message as JSON is served', async () => {
    const { ask } = await openBrowser();
    expect((await ask({ headers: JSON_TYPE, body: establish })).status).toBe(201);
    const withCharset = { 'content-type': 'Application/JSON; charset=utf-8' };
    expect((await ask({ headers: withCharset, body: establish })).status).toBe(201);
  });

  test.each([
    ['text/plain', { 'content-type': 'text/plain;charset=UTF-8' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a form with files', { 'content-type': 'multipart/form-data; boundary=application/json' }],
    ['a blob without a type', {}],
    ['a type that only begins like JSON', { 'content-type': 'application/jsonp' }],
  ])('a message of %s is not taken for JSON', async (_what, headers) => {
    const { ask } = await openBrowser();
    for (const path of ['sessions', 'grants', 'tree-id', `sessions/${'A'.repeat(22)}/resume`]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await ask({ path: `/.cairn/v1/${path}`, headers, body: establish });
      expect(answer.code, path).toMatch(/^(media-type-refused|forbidden)$/);
    }
  });

  test.each([
    ['a page of another origin', { origin: 'https://evil.example' }],
    ['a page whose origin is hidden', { origin: 'null' }],
    ['another port of the same machine', { origin: 'https://127.0.0.1:1' }],
    ['a page of another site', { 'sec-fetch-site': 'cross-site' }],
    ['a page of a sister site', { 'sec-fetch-site': 'same-site' }],
  ])('a request of %s is refused, whatever it asks', async (_what, headers) => {
    const { ask } = await openBrowser();
    const refused = { status: 403, code: 'cross-site-refused' };
    expect(await ask({ headers: { ...JSON_TYPE, ...headers }, body: establish })).toEqual(refused);
    expect(await ask({ path: '/.cairn/v1/probe', headers, body: 'x' })).toEqual(refused);
    expect(await ask({ method: 'DELETE', path: '/.cairn/v1/grants/x', headers })).toEqual(refused);
    expect(await ask({ method: 'GET', path: '/.cairn/v1/tree?path=/&recursive=1', headers })).toEqual(
      refused,
    );
    expect(await ask({ method: 'PUT', path: '/a', headers, body: 'x' })).toEqual(refused);
  });

  test('a link to a file may stand on another site', async () => {
    const { ask } = await openBrowser();
    const headers = { 'sec-fetch-site': 'cross-site' };
    expect((await ask({ method: 'GET', path: '/', headers })).status).toBe(200);
  });

  test('a page of the server itself is served', async () => {
    const { ask, origin } = await openBrowser();
    const headers = { ...JSON_TYPE, origin, 'sec-fetch-site': 'same-origin' };
    expect((await ask({ headers, body: establish })).status).toBe(201);
  });

  test('a foreign host name that leads to the server is refused', async () => {
    const { ask } = await openBrowser();
    const own = { 'host': 'evil.example', 'sec-fetch-site': 'same-origin' };
    const refused = { status: 403, code: 'cross-site-refused' };
    expect(await ask({ method: 'GET', path: '/', headers: own })).toEqual(refused);
    const posted = { ...JSON_TYPE, ...own, origin: 'https://evil.example' };
    expect(await ask({ headers: posted, body: establish })).toEqual(refused);
  });
});

test('a program that shows a token is served, whatever type its message has', async () => {
  const { ask } = await openBrowser();
  const headers = { authorization: `Bearer ${ALICE}` };
  const asked = { isShown: false, body: establish };
  expect((await ask({ ...asked, headers })).status).toBe(201);
  const asText = { ...headers, 'content-type': 'text/plain' };
  expect((await ask({ ...asked, headers: asText })).status).toBe(201);
});
