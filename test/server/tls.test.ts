/** A server that speaks TLS, as seen by clients of every kind. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { systemCodeOf } from '../../src/base/errors.ts';
import { createCertificateAuthenticator } from '../../src/server/access/certificates.ts';
import { SCOPES } from '../../src/session/scopes.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { openTls, type KeptTls } from '../../src/server/access/kept-tls.ts';
import {
  issue,
  issueAuthority,
  issueServer,
  rewriteIssued,
  writeAuthorities,
  writeIssued,
  type Issued,
} from '../support/certificates.ts';
import { ALICE, establishRequest, openScene, type Scene } from './by-hand.ts';
import { directory, transferOf } from '../suites/staged-transfer.ts';

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const DAY_MS = 86_400_000;

/** What a client shows. */
type Shown = Pick<ConnectionOptions, 'cert' | 'key'>;

interface SecureScene {
  readonly scene: Scene;
  readonly tls: KeptTls;
  readonly own: Issued;
  readonly files: { cert: string; key: string };
}

async function secureScene(
  clientCaFile?: string,
  path: readonly string[] = [],
  own?: Issued,
): Promise<SecureScene> {
  const shown = own ?? (await issueServer());
  const files = writeIssued(shown);
  const tls = await openTls({ certFile: files.cert, keyFile: files.key, clientCaFile }, SILENT);
  onTestFinished(() => tls.close());
  const authenticators = [
    createStaticToken(ALICE, { id: 'token:alice', principal: 'alice' }),
    ...(clientCaFile === undefined ? [] : [createCertificateAuthenticator(tls, { scopes: SCOPES, path })]),
  ];
  const scene = await openScene('memory', { tls, authenticators });
  return { scene, tls, own: shown, files };
}

/** One request; the status and the JSON of its answer. */
function ask(
  { scene, own }: SecureScene,
  options: Shown & {
    headers?: Record<string, string>;
    body?: object;
    path?: string;
    method?: string;
  },
): Promise<{ status: number; json: { code?: string; session?: string } }> {
  const { body, path = '/.cairn/v1/tree?path=/', method = 'GET', ...rest } = options;
  const where = { host: '127.0.0.1', port: scene.server.port, agent: false as const, ca: own.cert };
  return new Promise((resolve, reject) => {
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...rest.headers,
    };
    const asking = request({ ...where, method, path, ...rest, headers }, (response) => {
      let text = '';
      response.on('data', (piece: Buffer) => (text += piece.toString()));
      response.on('end', () => {
        const isJson = String(response.headers['content-type']).includes('json');
        resolve({
          status: response.statusCode!,
          json: isJson && !text.includes('\n') ? JSON.parse(text) : {},
        });
      });
    });
    asking.on('error', reject);
    asking.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The protocol of a TLS connection, or the code with which it was refused. */
function shake(port: number, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    socket.once('secureConnect', () => {
      resolve(`${socket.getProtocol()} ${String(socket.alpnProtocol)}`);
      socket.destroy();
    });
    socket.once('error', (error) => resolve(systemCodeOf(error) ?? error.message));
  });
}

describe('servers with TLS', () => {
  test('a server with TLS speaks TLS 1.2 and 1.3 and HTTP/1.1, and nothing older or newer', async () => {
    const { scene } = await secureScene();
    const { port, url } = scene.server;
    expect(url).toBe(`https://127.0.0.1:${port}`);
    expect(await shake(port, { ALPNProtocols: ['h2', 'http/1.1'] })).toBe('TLSv1.3 http/1.1');
    expect(await shake(port, { maxVersion: 'TLSv1.2' })).toBe('TLSv1.2 false');
    expect(await shake(port, { ALPNProtocols: ['h2'] })).toMatch(/NO_APPLICATION_PROTOCOL|ECONNRESET/);
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await shake(port, old)).toMatch(/PROTOCOL_VERSION|ECONNRESET/);
  });

  test.each([
    'ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA',
    'ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA384',
    'AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA',
    'DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384',
    'PSK:aNULL:eNULL:@SECLEVEL=0',
  ])('a server with TLS refuses a client that has only the key exchange %s', async (ciphers) => {
    const { scene } = await secureScene();
    const answer = await shake(scene.server.port, { maxVersion: 'TLSv1.2', ciphers });
    expect(answer).toMatch(/HANDSHAKE_FAILURE|NO_CIPHER|ECONNRESET|SHARED_CIPHER/i);
    expect(await shake(scene.server.port, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE+AESGCM' })).toBe(
      'TLSv1.2 false',
    );
  });

  test('a server with TLS answers plain HTTP with a hint at TLS, and logs no token of it', async () => {
    const { scene } = await secureScene();
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connectPlain(scene.server.port, '127.0.0.1');
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`);
      let text = '';
      socket.on('data', (piece) => (text += piece.toString()));
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
    expect(answer).toContain('write https:// instead of http://');
    expect(scene.logged.join()).not.toContain(ALICE);
  });

  test('a server with TLS outlives bytes that are neither TLS nor HTTP', async () => {
    const secure = await secureScene();
    for (const bytes of ['\r\n\r\n', '\u0016\u0003\u0001\u0000\u0005aaaaaaaa', 'x'.repeat(70_000)]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await new Promise<void>((resolve) => {
        const socket = connectPlain(secure.scene.server.port, '127.0.0.1');
        socket.on('error', () => undefined).on('close', () => resolve());
        socket.resume().end(bytes);
      });
    }
    expect((await ask(secure, { headers: { authorization: `Bearer ${ALICE}` } })).status).toBe(200);
  });

  test('a server with TLS shows a reloaded certificate to new connections, and old connections stay', async () => {
    const { scene, tls, own, files } = await secureScene();
    const before = connect({ host: '127.0.0.1', port: scene.server.port, ca: own.cert });
    await new Promise((resolve) => before.once('secureConnect', resolve));
    const next = await issueServer();
    rewriteIssued(files, next);
    await tls.reload();
    expect(await shake(scene.server.port, { ca: own.cert, rejectUnauthorized: true })).toMatch(
      /SELF_SIGNED|VERIFY/,
    );
    expect(await shake(scene.server.port, { ca: next.cert, rejectUnauthorized: true })).toMatch(/^TLSv1/);
    before.write('GET /.cairn/v1/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const answer = await new Promise<Buffer>((resolve) => before.once('data', resolve));
    expect(answer.toString()).toContain('200 OK');
    before.destroy();
  });

  test('a server with TLS keeps its certificate if the new files are bad, and says so', async () => {
    const files = writeIssued(await issueServer());
    const error = vi.fn();
    const tls = await openTls(
      { certFile: files.cert, keyFile: files.key, clientCaFile: undefined },
      { ...SILENT, error },
    );
    onTestFinished(() => tls.close());
    const before = tls.material;
    writeFileSync(files.cert, 'no certificate');
    await tls.reload();
    expect(tls.material).toBe(before);
    expect(error).toHaveBeenCalledWith(expect.anything(), expect.stringContaining('was not reloaded'));
  });

  test.each([
    [30, []],
    [10, ['warn: the certificate expires soon; renew it and send SIGHUP']],
    [-1, ['error: the certificate has expired: clients refuse this server']],
  ])(
    'a server with TLS says %i days before its certificate ends, at its start and once a day: %j',
    async (days, said) => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      onTestFinished(() => void vi.useRealTimers());
      const files = writeIssued(await issueServer(undefined, { days }));
      const told: string[] = [];
      const log = {
        ...SILENT,
        warn: (_: object, message: string) => void told.push(`warn: ${message}`),
        error: (_: object, message: string) => void told.push(`error: ${message}`),
      };
      const tls = await openTls({ certFile: files.cert, keyFile: files.key, clientCaFile: undefined }, log);
      expect(told).toEqual(said);
      vi.advanceTimersByTime(DAY_MS);
      tls.close();
      vi.advanceTimersByTime(DAY_MS);
      expect(told).toEqual([...said, ...said]);
    },
  );
});

describe('client certificates', () => {
  async function mutual(path: readonly string[] = []) {
    const root = await issueAuthority('Root of Clients');
    const caFile = writeAuthorities(root);
    return { root, caFile, secure: await secureScene(caFile, path) };
  }
  const shown = ({ cert, key }: Issued, ...chain: Issued[]): Shown => ({
    cert: [cert, ...chain.map((link) => link.cert)].join('\n'),
    key,
  });

  /** Establishes a push and answers its record. */
  async function establish({ scene, ...secure }: SecureScene, options: Shown, target = '/x') {
    const transfer = transferOf(scene.stores.content, 'x', [directory('')]);
    const body = establishRequest(transfer, 'push', target);
    const answer = await ask(
      { scene, ...secure },
      { ...options, method: 'POST', path: '/.cairn/v1/sessions', body },
    );
    const record = answer.status === 201 ? await scene.stores.sessions.get(answer.json.session!) : undefined;
    return { ...answer, authorization: record?.authorization };
  }

  test('a client certificate names its owner, and its authorization ends with it', async () => {
    const { root, secure } = await mutual(['home', '{cn}']);
    const alice = await issue({ name: 'alice', days: 7 }, root);
    const { authorization } = await establish(secure, shown(alice), '/home/alice/x');
    expect(authorization).toMatchObject({
      principal: 'certificate:cn=alice',
      scopes: SCOPES,
      pathPrefix: 'home/alice',
    });
    expect(authorization?.id).toMatch(/^certificate:[0-9a-f]{64}\.[0-9a-f]{64}$/);
    expect(Math.abs(authorization!.expiresAtMs! - Date.now() - 7 * DAY_MS)).toBeLessThan(60_000);
    // A renewed one of the same name is the same owner.
    const renewed = await establish(secure, shown(await issue({ name: 'alice' }, root)), '/home/alice/x');
    expect(renewed.authorization?.principal).toBe(authorization?.principal);
    expect(renewed.authorization?.id).not.toBe(authorization?.id);
  });

  test('a client certificate may name its owner by a URI, and then has no directory of its own', async () => {
    const { root, caFile, secure } = await mutual();
    const service = shown(await issue({ name: undefined, uris: ['spiffe://example/backup'] }, root));
    const { authorization } = await establish(secure, service);
    expect(authorization?.principal).toBe('certificate:uri=spiffe://example/backup');
    const confined = await secureScene(caFile, ['home', '{cn}'], secure.own);
    expect(await establish(confined, service, '/home/x')).toMatchObject({
      status: 401,
      json: { code: 'unauthenticated' },
    });
  });

  test.each(['..', '.', 'a/b', '.cairn', 'alice\u202e', 'x'.repeat(60) + '\n'])(
    'a client certificate with the name %j has no directory',
    async (name) => {
      const { root, secure } = await mutual(['home', '{cn}']);
      const answer = await establish(secure, shown(await issue({ name }, root)), '/home/x');
      expect(answer).toMatchObject({ status: 401, json: { code: 'unauthenticated' } });
    },
  );

  test('a client certificate of an intermediate authority needs that one and its root in the file', async () => {
    const { root, caFile, secure } = await mutual();
    const middle = await issueAuthority('Middle', root);
    const alice = shown(await issue({ name: 'alice' }, middle), middle);
    expect((await ask(secure, alice)).json.code).toBe('unauthenticated');
    const load = async (...authorities: Issued[]): Promise<void> => {
      writeFileSync(caFile, authorities.map(({ cert }) => cert).join('\n'));
      await secure.tls.reload();
    };
    await load(middle, root);
    expect((await ask(secure, alice)).status).toBe(200);
    // Whether the client sends the intermediate makes no difference.
    expect((await ask(secure, shown(await issue({ name: 'alice' }, middle)))).status).toBe(200);
    const { authorization } = await establish(secure, alice);
    const { stands } = createCertificateAuthenticator(secure.tls, { scopes: [], path: [] });
    expect(stands(authorization!)).toBe(true);
    expect(stands({ ...authorization!, id: 'token:alice' })).toBeUndefined();
    const namesake = await issueAuthority('Root of Clients');
    for (const loaded of [[middle], [root], [middle, namesake]]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await load(...loaded);
      expect(stands(authorization!)).toBe(false);
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect((await ask(secure, alice)).json.code).toBe('unauthenticated');
    }
  });

  test('a client certificate is refused on an open connection once its authority is removed', async () => {
    const { root, caFile, secure } = await mutual();
    const socket = connect({
      host: '127.0.0.1',
      port: secure.scene.server.port,
      ca: secure.own.cert,
      ...shown(await issue({ name: 'alice' }, root)),
    });
    onTestFinished(() => void socket.destroy());
    const get = async (): Promise<string> => {
      socket.write('HEAD /nothing HTTP/1.1\r\nHost: a\r\n\r\n');
      return (await new Promise<Buffer>((resolve) => socket.once('data', resolve))).toString();
    };
    expect(await get()).toContain('cairn-error: not-found');
    writeFileSync(caFile, (await issueAuthority('Others')).cert);
    await secure.tls.reload();
    expect(await get()).toContain('cairn-error: unauthenticated');
  });

  test('a client certificate is ignored for a request with a token, good or bad', async () => {
    const { root, secure } = await mutual();
    const alice = shown(await issue({ name: 'alice' }, root));
    for (const authorization of ['Bearer wrong', 'Basic YTpi', '']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const answer = await ask(secure, { ...alice, headers: { authorization } });
      expect([authorization, answer.json.code]).toEqual([authorization, 'unauthenticated']);
    }
    const good = await ask(secure, { ...alice, headers: { authorization: `Bearer ${ALICE}` } });
    expect(good.status).toBe(200);
  });

  test('a client certificate that no accepted authority issued is refused', async () => {
    const { secure } = await mutual();
    const own = await ask(secure, shown(await issue({ name: 'alice' })));
    expect([own.status, own.json.code]).toEqual([401, 'unauthenticated']);
    expect((await ask(secure, {})).json.code).toBe('unauthenticated');
  });
});
