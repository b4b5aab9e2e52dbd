/** `cairn login` against a real provider, by real processes. */
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliRun } from '../support/cli.ts';
import { issueAuthority, issueServer, writeAuthorities, writeIssued } from '../support/certificates.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import {
  AUDIENCE,
  CLIENT_ID,
  startIssuer,
  type IssuerOptions,
  type TestIssuer,
} from '../support/oidc-issuer.ts';
import { startHttpProxy } from '../support/http-proxy.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;

interface Scene {
  readonly issuer: TestIssuer;
  readonly server: DiskServer;
  /** A user with a home of its own. */
  readonly user: CliEnvironment;
  readonly config: string;
  readonly file: string;
}

async function openScene(
  options: IssuerOptions & {
    fileBytes?: number;
    serveArgs?: readonly string[];
    env?: Record<string, string>;
  } = {},
): Promise<Scene> {
  const issuer = await startIssuer(options);
  const oidcConfig = path.join(temporaryDirectory(), 'oidc.json');
  writeFileSync(oidcConfig, JSON.stringify({ clockToleranceSeconds: 0 }));
  const { env = {} } = options;
  const server = await startDiskServer({
    env,
    extraArgs: [
      '--oidc-issuer',
      issuer.url,
      '--oidc-audience',
      AUDIENCE,
      '--oidc-client-id',
      CLIENT_ID,
      '--oidc-config',
      oidcConfig,
      ...(options.serveArgs ?? []),
    ],
  });
  const config = temporaryDirectory();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, options.fileBytes ?? 10_000);
  const user = { stateHome: temporaryDirectory(), env: { XDG_CONFIG_HOME: config, ...env } };
  return { issuer, server, user, config, file };
}

/** Logs in, with somebody who approves. */
async function logIn({ issuer, user }: Scene, url: string, name = 'alice') {
  const run = startCairn(['login', url, '--json'], user);
  const prompt = await untilLine(run, ({ type }) => type === 'verification');
  await issuer.approve(String(prompt['urlWithCode']), name);
  const result = await run.result;
  expect([result.exitCode, result.stderr]).toEqual([0, expect.stringContaining('logged in') as string]);
  return { ...result, prompt };
}

function loginFile({ config }: Scene): string {
  const directory = path.join(config, 'cairn/credentials');
  const [name = ''] = readdirSync(directory).filter((found) => found.endsWith('.json'));
  return path.join(directory, name);
}

interface KeptLogin {
  accessToken: string;
  refreshToken: string;
  expiresAtMs: number;
}

function keptLogin(scene: Scene): KeptLogin {
  return JSON.parse(readFileSync(loginFile(scene), 'utf8')) as KeptLogin;
}

/** Lets the access token run out, as far as the client can tell. */
function makeExpired(scene: Scene): void {
  const file = loginFile(scene);
  const login: object = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...login, expiresAtMs: Date.now() - 1 }));
}

/** Files below a directory that hold a text, and their modes. */
function filesWith(directory: string, text: string): { file: string; mode: number }[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(directory, name))
    .filter((file) => statSync(file).isFile() && readFileSync(file, 'latin1').includes(text))
    .map((file) => ({ file, mode: statSync(file).mode & 0o777 }));
}

test('a user logs in with a code in any browser, pushes, pulls and logs out', async () => {
  const scene = await openScene();
  const { server, user, file, issuer } = scene;
  const { prompt, stderr } = await logIn(scene, `${server.url}/`);
  for (const shown of [
    issuer.url,
    CLIENT_ID,
    AUDIENCE,
    server.url,
    String(prompt['code']),
    String(prompt['url']),
  ])
    expect(stderr).toContain(shown);
  const pushed = await cairn(['push', file, `${server.url}/file`], user);
  expect([pushed.exitCode, pushed.stderr]).toEqual([0, expect.any(String)]);
  const copy = path.join(temporaryDirectory(), 'copy');
  expect((await cairn(['pull', `${server.url}/file`, copy], user)).exitCode).toBe(0);
  expect(digestOf(copy)).toBe(digestOf(file));
  const status = await cairn(['login', '--status', server.url], user);
  expect(status.stdout.toString()).toContain(issuer.url);

  const { refreshToken } = keptLogin(scene);
  const loggedOut = await cairn(['logout', server.url, '--json'], user);
  expect(loggedOut.last).toMatchObject({ type: 'summary', outcome: 'revoked', exitCode: 0 });
  expect(issuer.asked).toContain('POST /token/revocation');
  expect(filesWith(scene.config, refreshToken)).toEqual([]);
  const after = await cairn(['ls', server.url], user);
  expect([after.exitCode, after.stderr]).toEqual([6, expect.stringContaining('cairn login')]);
  expect((await cairn(['login', '--status', server.url], user)).exitCode).toBe(6);
  expect((await cairn(['logout', server.url], user)).exitCode).toBe(0);
  const again = await fetch(`${issuer.url}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      client_id: CLIENT_ID,
    }),
  });
  expect(again.status).toBe(400);
});

test('a push outlives its tokens of five seconds, and sends only chunks in flight twice', async () => {
  const size = 32 * MIB;
  const chunk = 256 * 1024;
  const scene = await openScene({ accessTokenSeconds: 5, fileBytes: size });
  const proxy = await startCuttingProxy({ targetPort: scene.server.port, bytesPerSecond: 2 * MIB });
  onTestFinished(() => proxy.close());
  const url = `http://127.0.0.1:${proxy.port}`;
  await logIn(scene, url);
  const before = scene.issuer.refreshes();
  const args = ['push', '--json', '--chunk-size', String(chunk), scene.file, `${url}/file`];
  const pushed = await cairn(args, scene.user);
  expect([pushed.exitCode, pushed.stderr]).toEqual([0, '']);
  expect(scene.issuer.refreshes() - before).toBeGreaterThanOrEqual(3);
  // On a busy machine a renewal may come too late; the session then resumes, and chunks in flight are cut.
  const inFlight = Number(pushed.last['resumes']) * 4 * chunk;
  expect(Number(pushed.last['bytesSent'])).toBeLessThanOrEqual(size + inFlight);
  expect(digestOf(path.join(scene.server.root, 'file'))).toBe(digestOf(scene.file));
});

test('a push waits for an issuer that is away while its token ends, and goes on from what had arrived', async () => {
  const scene = await openScene({ accessTokenSeconds: 3, fileBytes: 6 * MIB });
  const proxy = await startCuttingProxy({ targetPort: scene.server.port, bytesPerSecond: 0.6 * MIB });
  onTestFinished(() => proxy.close());
  const url = `http://127.0.0.1:${proxy.port}`;
  await logIn(scene, url);
  const run = startCairn(['push', '--json', '--chunk-size', '256K', scene.file, `${url}/file`], scene.user);
  await untilProgress(run, MIB);
  await scene.issuer.stop();
  const refreshes = scene.issuer.refreshes();
  await sleep(5000);
  await scene.issuer.start();
  const pushed = await run.result;
  expect([pushed.exitCode, pushed.stderr]).toEqual([0, expect.any(String)]);
  // It went on in its epoch, or in another one where the server had to suspend it; either way by a new token.
  expect(scene.issuer.refreshes()).toBeGreaterThan(refreshes);
  // What went up, and not what was handed to sockets that died.
  expect(proxy.bytesUp).toBeLessThan(6 * MIB * 1.1);
  expect(digestOf(path.join(scene.server.root, 'file'))).toBe(digestOf(scene.file));
});

test('a push whose login the issuer ended says so and keeps all, and goes on after the next login', async () => {
  const scene = await openScene({ accessTokenSeconds: 3, fileBytes: 6 * MIB });
  const proxy = await startCuttingProxy({ targetPort: scene.server.port, bytesPerSecond: 0.6 * MIB });
  onTestFinished(() => proxy.close());
  const url = `http://127.0.0.1:${proxy.port}`;
  await logIn(scene, url);
  const args = ['push', '--json', '--chunk-size', '256K', scene.file, `${url}/file`];
  const run = startCairn(args, scene.user);
  await untilProgress(run, MIB);
  await fetch(`${scene.issuer.url}/token/revocation`, {
    method: 'POST',
    body: new URLSearchParams({ token: keptLogin(scene).refreshToken, client_id: CLIENT_ID }),
  });
  const ended = await run.result;
  expect([ended.exitCode, ended.last['code']]).toEqual([6, 'login-failed']);
  expect(ended.stderr).toContain(`cairn login ${url}`);
  expect(ended.stderr).toContain('everything is kept');
  await logIn(scene, url);
  const resumed = await cairn(args, scene.user);
  expect([resumed.exitCode, resumed.stderr]).toEqual([0, expect.any(String)]);
  expect(Number(resumed.last['bytesResumed'])).toBeGreaterThan(0.5 * MIB);
});

test('several commands at once use a refresh token once', async () => {
  const scene = await openScene();
  await logIn(scene, scene.server.url);
  makeExpired(scene);
  const runs = Array.from({ length: 4 }, () => cairn(['ls', scene.server.url], scene.user));
  for (const { exitCode, stderr } of await Promise.all(runs)) expect([exitCode, stderr]).toEqual([0, '']);
  expect(scene.issuer.refreshes()).toBe(1);
});

test('a server whose issuer is away starts, and serves its own tokens and those that it can check', async () => {
  const scene = await openScene();
  const { server, user, issuer } = scene;
  await logIn(scene, server.url);
  await issuer.stop();
  expect((await cairn(['ls', server.url], user)).exitCode).toBe(0);
  await server.stop();
  await server.start();
  const own = { stateHome: temporaryDirectory(), token: server.token };
  expect((await cairn(['ls', server.url], own)).exitCode).toBe(0);
  const waiting = await cairn(['ls', '--retry-for', '1s', server.url], user);
  expect([waiting.exitCode, waiting.stderr]).toEqual([5, expect.stringContaining(issuer.url) as string]);
  makeExpired(scene);
  const over = await cairn(['ls', '--retry-for', '1s', server.url], user);
  expect([over.exitCode, over.stderr]).toEqual([5, expect.stringContaining(issuer.url) as string]);
  const out = await cairn(['logout', '--json', server.url], user);
  expect(out.last).toMatchObject({ outcome: 'forgotten' });
  expect(filesWith(scene.config, 'accessToken')).toEqual([]);
});

test('a login and a push go to a server with TLS only where its authority is named', async () => {
  const authority = await issueAuthority('own');
  const { cert, key } = writeIssued(await issueServer(authority));
  const scene = await openScene({ serveArgs: ['--tls-cert', cert, '--tls-key', key] });
  const url = `https://127.0.0.1:${scene.server.port}`;
  const untrusted = await cairn(['login', url], scene.user);
  expect([untrusted.exitCode, scene.issuer.asked.filter((line) => line.startsWith('POST'))]).toEqual([6, []]);
  const env = { ...scene.user.env, CAIRN_TLS_CA: writeAuthorities(authority) };
  const trusting = { ...scene, user: { ...scene.user, env } };
  await logIn(trusting, url);
  expect((await cairn(['push', scene.file, `${url}/file`], trusting.user)).exitCode).toBe(0);
  expect(digestOf(path.join(scene.server.root, 'file'))).toBe(digestOf(scene.file));
});

test('a user who has logged in issues a transfer grant, and another client uses it', async () => {
  const scene = await openScene();
  const { server, user, file } = scene;
  await logIn(scene, server.url);
  const granted = await cairn(
    ['grant', `${server.url}/inbox/file`, '--push', '--expires', '30s', '--json'],
    user,
  );
  expect([granted.exitCode, granted.stderr]).toEqual([0, expect.any(String)]);
  const guest = { stateHome: temporaryDirectory(), token: String(granted.lines[0]?.['grant']) };
  const pushed = await cairn(['push', file, `${server.url}/inbox/file`], guest);
  expect([pushed.exitCode, pushed.stderr]).toEqual([0, expect.any(String)]);
  expect((await cairn(['ls', server.url], guest)).exitCode).toBe(6);
});

test('the doctor does not warn of the short token of a login that is renewed', async () => {
  const scene = await openScene();
  await logIn(scene, scene.server.url);
  const { lines } = await cairn(['doctor', '--json', '--silence', '1s', scene.server.url], scene.user);
  const found = lines.find(({ check }) => check === 'token');
  expect(found).toMatchObject({
    level: 'ok',
    message: expect.stringContaining('renewed by itself') as string,
  });
});

describe('the tokens of a login', () => {
  test('the tokens of a login are in no output, log or argument list, and in no file that others can read', async () => {
    const scene = await openScene({ fileBytes: 4 * MIB });
    const { server, user } = scene;
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 2 * MIB });
    onTestFinished(() => proxy.close());
    const url = `http://127.0.0.1:${proxy.port}`;
    const login = await logIn(scene, url);
    const run = startCairn(['push', '--json', scene.file, `${url}/file`], user);
    await untilProgress(run, 1);
    const pids = [run.child.pid, server.pid()];
    const seen = pids.flatMap((pid) => ['cmdline', 'environ'].map((name) => read(`/proc/${pid}/${name}`)));
    const pushed = await run.result;
    expect(pushed.exitCode).toBe(0);
    const out = await cairn(['ls', '--json', url], user);
    const { accessToken, refreshToken } = keptLogin(scene);
    for (const secret of [accessToken, refreshToken]) {
      const texts = [login, pushed, out].flatMap(({ stdout, stderr }) => [stdout.toString(), stderr]);
      for (const text of [...texts, server.log(), ...seen]) expect(text).not.toContain(secret);
      const found = [scene.config, user.stateHome, server.root, server.stateHome].flatMap((directory) =>
        filesWith(directory, secret),
      );
      expect(found).toEqual([{ file: loginFile(scene), mode: 0o600 }]);
    }
    expect(statSync(path.dirname(loginFile(scene))).mode & 0o777).toBe(0o700);
  });

  test('the tokens of a login go to the server of the login, and to no other origin', async () => {
    const scene = await openScene();
    await logIn(scene, scene.server.url);
    const seen: IncomingHttpHeaders[] = [];
    const other = createServer((request, response) => {
      seen.push(request.headers);
      response.setHeader('link', '</.cairn/v1/>; rel="urn:cairn:protocol"');
      const hello = { server: 'cairn', version: '1', protocol: { major: 1, minor: 0 } };
      response.end(request.url === '/.cairn/v1/' ? JSON.stringify(hello) : '');
    });
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    for (const host of ['127.0.0.1', 'localhost'])
      await cairn(['ls', '--retry-for', '1s', `http://${host}:${port}/`], scene.user);
    await cairn(['ls', scene.server.url.replace('127.0.0.1', 'localhost')], scene.user);
    expect(seen.length).toBeGreaterThan(0);
    for (const headers of seen) expect(headers).not.toHaveProperty('authorization');
    expect(scene.server.log()).toContain('needs an access token');
  });

  test('the tokens of a login are not used from a file that others can read', async () => {
    const scene = await openScene();
    await logIn(scene, scene.server.url);
    chmodSync(loginFile(scene), 0o644);
    const refused = await cairn(['ls', scene.server.url], scene.user);
    expect([refused.exitCode, refused.stderr]).toEqual([6, expect.stringContaining('chmod 600') as string]);
  });

  test('the tokens of a login come after --token-file and CAIRN_TOKEN, and before those of a local server', async () => {
    const scene = await openScene();
    const { server, user } = scene;
    // The same state directory as the server's: its own token would be found.
    const here = { ...user, stateHome: server.stateHome };
    expect((await cairn(['push', scene.file, `${server.url}/a`], here)).exitCode).toBe(0);
    await logIn(scene, server.url);
    const wrong = await cairn(['ls', server.url], { ...here, token: 'wrong' });
    expect(wrong.exitCode).toBe(6);
    makeExpired(scene);
    expect((await cairn(['ls', server.url], { ...here, token: server.token })).exitCode).toBe(0);
    expect(scene.issuer.refreshes()).toBe(0);
    expect((await cairn(['ls', server.url], here)).exitCode).toBe(0);
    expect(scene.issuer.refreshes()).toBe(1);
  });
});

describe('a login that fails', () => {
  test('a login that is interrupted ends with 130, and leaves nothing', async () => {
    const scene = await openScene();
    const run = startCairn(['login', scene.server.url, '--json'], scene.user);
    await untilLine(run, ({ type }) => type === 'verification');
    run.child.kill('SIGINT');
    const result = await run.result;
    expect([result.exitCode, result.stderr]).toEqual([
      130,
      expect.stringContaining('nothing was kept') as string,
    ]);
    expect(existsSync(path.join(scene.config, 'cairn/credentials'))).toBe(false);
  });

  test('a login exits with 6 when the user says no', async () => {
    const scene = await openScene();
    const run = startCairn(['login', scene.server.url, '--json'], scene.user);
    const prompt = await untilLine(run, ({ type }) => type === 'verification');
    await scene.issuer.deny(String(prompt['urlWithCode']));
    const result = await run.result;
    expect([result.exitCode, result.last['code']]).toEqual([6, 'login-failed']);
    expect(result.stderr).toContain('access_denied');
  });

  test('a login asks no issuer where the server names none, or another one than the user wants', async () => {
    const scene = await openScene();
    const plain = await startDiskServer();
    const none = await cairn(['login', plain.url], scene.user);
    expect([none.exitCode, none.stderr]).toEqual([6, expect.stringContaining('names no issuer') as string]);
    const before = scene.issuer.asked.length;
    const other = await cairn(
      ['login', scene.server.url, '--issuer', 'https://login.example.com'],
      scene.user,
    );
    expect([other.exitCode, other.stderr]).toEqual([
      6,
      expect.stringContaining('no issuer was asked') as string,
    ]);
    expect(scene.issuer.asked.length).toBe(before);
  });

  test.each([
    [
      'an issuer without TLS',
      { issuer: 'http://login.example.com', audience: 'a', clientId: 'c' },
      6,
      'https',
    ],
    ['an issuer that is no URL', { issuer: '\u001b[2J', audience: 'a', clientId: 'c' }, 6, '\\x1b'],
    ['no client', { issuer: 'https://login.example.com', audience: 'a' }, 2, '--client-id'],
    ['an issuer with a password', { issuer: 'https://u:pw@x', audience: 'a', clientId: 'c' }, 6, 'password'],
  ])('a login shows nothing hostile of a server that names %s', async (_, login, exitCode, named) => {
    const server = createServer((request, response) => {
      response.setHeader('link', '</.cairn/v1/>; rel="urn:cairn:protocol"');
      const hello = { server: 'cairn', version: '1', protocol: { major: 1, minor: 0 }, login };
      response.end(request.url === '/.cairn/v1/' ? JSON.stringify(hello) : '');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const result = await cairn(['login', `http://127.0.0.1:${port}`], { stateHome: temporaryDirectory() });
    expect([result.exitCode, result.stderr]).toEqual([exitCode, expect.stringContaining(named) as string]);
    expect(result.stderr).not.toContain('\u001b');
  });
});

/** Resolves once so many bytes have been sent. */
function untilProgress(run: CliRun, bytes: number): Promise<unknown> {
  return untilLine(run, ({ type, bytesDone }) => type === 'progress' && Number(bytesDone) >= bytes);
}

function read(file: string): string {
  return readFileSync(file, 'latin1');
}

test('a login, the keys, a refresh and a logout go to a private issuer through its proxy', async () => {
  const authority = await issueAuthority('An authority');
  const proxy = await startHttpProxy();
  const ca = writeAuthorities(authority);
  const env = {
    HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
    NO_PROXY: '',
    no_proxy: '',
    CAIRN_PROXY_LOOPBACK: '1',
    CAIRN_TLS_CA: ca,
  };
  const scene = await openScene({ certificate: await issueServer(authority), env });
  const { server, user, file, issuer } = scene;
  const { host } = new URL(issuer.url);
  const tunnelsOf = async (work: () => Promise<unknown>): Promise<number> => {
    const before = proxy.tunnels.length;
    await work();
    expect(new Set(proxy.tunnels)).toEqual(new Set([host]));
    return proxy.tunnels.length - before;
  };
  // The server has asked for the keys when it started.
  await expect.poll(() => issuer.asked.filter((line) => line.includes('jwks')).length).toBe(1);
  expect(proxy.tunnels).toHaveLength(2);
  expect(await tunnelsOf(() => logIn(scene, server.url))).toBeGreaterThan(2);
  const push = async (more: Record<string, string> = {}) =>
    cairn(['push', '--json', file, `${server.url}/file`], { ...user, env: { ...user.env, ...more } });
  expect(await tunnelsOf(async () => expect(await push()).toMatchObject({ exitCode: 0 }))).toBe(0);
  makeExpired(scene);
  const untrusting = await push({ CAIRN_TLS_CA: '', HTTPS_PROXY: '' });
  expect(untrusting).toMatchObject({ exitCode: 6, last: { code: 'certificate-untrusted' } });
  expect(untrusting.last['message']).toContain(issuer.url);
  expect(await tunnelsOf(async () => expect(await push()).toMatchObject({ exitCode: 0 }))).toBeGreaterThan(0);
  expect(issuer.refreshes()).toBe(1);
  // An option does what the environment did.
  const lone = { ...user, env: { ...user.env, CAIRN_TLS_CA: '' } };
  const ending = () => cairn(['logout', server.url, '--tls-ca', ca, '--json'], lone);
  expect(
    await tunnelsOf(async () => expect((await ending()).last['outcome']).toBe('revoked')),
  ).toBeGreaterThan(0);
});
