/** `cairn doctor` through proxies that are badly configured, by real processes. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { issueAuthority, issueServer, writeAuthorities, writeIssued } from '../support/certificates.ts';
import { cairn, startCairn, untilLine, type CliResult } from '../support/cli.ts';
import { startHttpProxy } from '../support/http-proxy.ts';
import { startMeddlingProxy, type Meddling } from '../support/meddling-proxy.ts';
import { obeyingPermissions } from '../support/requirements.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { freePort } from '../support/free-port.ts';

interface Examination {
  readonly result: CliResult;
  /** The findings that are not ok: check, level, code. */
  readonly bad: (readonly unknown[])[];
  /** What was found by a check. */
  of(check: string): Record<string, unknown>;
}

function read(result: CliResult): Examination {
  const findings = result.lines.filter(({ type }) => type === 'finding');
  return {
    result,
    bad: findings.filter(({ level }) => level !== 'ok').map(({ check, level, code }) => [check, level, code]),
    of: (check) => findings.find((finding) => finding['check'] === check) ?? {},
  };
}

/** Has a server examined through a proxy. */
async function examine(
  meddling: Meddling,
  changes: { token?: string; silence?: string; isThorough?: boolean } = {},
): Promise<Examination> {
  const server = await startDiskServer();
  const port = await startMeddlingProxy(server.port, meddling);
  return examineAt(`http://127.0.0.1:${port}/x`, server, changes);
}

async function examineAt(
  url: string,
  server: DiskServer,
  {
    token = server.token,
    silence = '1s',
    isThorough = false,
  }: { token?: string; silence?: string; isThorough?: boolean },
): Promise<Examination> {
  const environment = { stateHome: path.join(temporaryDirectory(), 'home'), token };
  const thorough = isThorough ? ['--thorough'] : [];
  return read(await cairn(['doctor', '--json', ...thorough, '--silence', silence, url], environment));
}

/** Whatever the machine's disk is like. */
const apartFromSpace = (bad: Examination['bad']): Examination['bad'] =>
  bad.filter(([check]) => check !== 'state-home' && check !== 'space');

describe('a healthy connection', () => {
  test('the doctor finds no problem in a healthy connection, and every check says something', async () => {
    const { result, bad } = await examine({});
    expect(apartFromSpace(bad)).toEqual([]);
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(result.last).toMatchObject({ type: 'summary', problems: 0, code: 'ok', exitCode: 0 });
    const checks = new Set(result.lines.flatMap(({ check }) => (check === undefined ? [] : [check])));
    expect([...checks]).toEqual([
      'state-home',
      'address',
      'server',
      'clock',
      'token',
      'space',
      'upload',
      'body-size',
      'download',
      'connections',
      'channels',
      'silence',
    ]);
  });
});

describe('proxies', () => {
  test('the doctor finds a proxy that collects whole request bodies', async () => {
    const { result, bad, of } = await examine({ collects: 'requests' });
    expect(apartFromSpace(bad)).toEqual([['upload', 'warning', undefined]]);
    expect(of('upload')['remedy']).toContain('proxy_request_buffering off');
    expect(result.exitCode).toBe(0);
  });

  test('the doctor finds a proxy that collects answers', async () => {
    const { bad, of } = await examine({ collects: 'answers' });
    expect(apartFromSpace(bad)).toEqual([['download', 'warning', undefined]]);
    expect(of('download')['remedy']).toContain('proxy_buffering off');
  });

  test('the doctor finds a proxy that takes the length of bodies away, in both directions', async () => {
    const { bad, of } = await examine({ takesLengths: true });
    expect(apartFromSpace(bad)).toEqual([
      ['upload', 'warning', undefined],
      ['download', 'warning', undefined],
    ]);
    expect(of('body-size')['level']).toBe('ok');
  });

  test('the doctor finds a proxy that closes connections on both of its sides, with what each needs', async () => {
    const { result, bad } = await examine({ closes: true, closesUpstream: true });
    expect(apartFromSpace(bad)).toEqual([
      ['connections', 'warning', undefined],
      ['connections', 'warning', undefined],
    ]);
    const remedies = result.lines.filter(({ check }) => check === 'connections').map(({ remedy }) => remedy);
    expect(remedies[0]).toContain('keepalive_timeout');
    expect(remedies[1]).toContain('proxy_http_version 1.1; proxy_set_header Connection ""');
  });

  test('the doctor finds with --thorough a proxy that cuts a connection after some chunks', async () => {
    const meddling = { cutsConnectionAfterBytes: 20 * 1024 * 1024 };
    const { bad: quick } = await examine(meddling);
    expect(apartFromSpace(quick)).toEqual([]);
    const { result, bad } = await examine(meddling, { isThorough: true });
    expect(apartFromSpace(bad)).toEqual([['connections', 'warning', undefined]]);
    const { message } = result.lines.find(
      ({ level, check }) => level === 'warning' && check === 'connections',
    )!;
    expect(message).toContain('cut before it has carried 24 MiB');
    const whole = await examine({}, { isThorough: true });
    expect(apartFromSpace(whole.bad)).toEqual([]);
    expect(whole.result.stdout.toString()).toContain('64 MiB arrive over one connection');
  });

  test('the doctor names what a proxy that passes no upgrade on would need, without a warning', async () => {
    const { of } = await examine({});
    expect(of('channels')).toMatchObject({ level: 'ok' });
    expect(of('channels')['message']).toContain('proxy_set_header Upgrade');
  });

  test('the doctor finds a proxy that passes on only what is below a prefix, and tells the prefix', async () => {
    const server = await startDiskServer();
    const isBelow = (asked: string): boolean => asked.startsWith('/files/.cairn/');
    const port = await startMeddlingProxy(server.port, {
      answers: ({ url = '' }) => (isBelow(url) ? undefined : 404),
      pathOf: (asked) => asked.replace('/files', ''),
    });
    const { result, bad, of } = await examineAt(`http://127.0.0.1:${port}/files/a/b`, server, {});
    expect(apartFromSpace(bad)).toEqual([['server', 'problem', 'not-a-cairn-server']]);
    expect(of('server')['message']).toContain('below "/files/"');
    expect(of('server')['remedy']).toContain('location /files/');
    expect(result.exitCode).toBe(2);
  });

  test('the doctor finds a proxy that takes 1 MiB and no more, and names the size that passes', async () => {
    const { result, bad, of } = await examine({ maxBodyBytes: 1024 * 1024 });
    expect(apartFromSpace(bad)).toEqual([['body-size', 'problem', 'body-too-large']]);
    expect(of('body-size')['message']).toContain('413');
    expect(of('body-size')['remedy']).toContain('--chunk-size 512K');
    expect([result.exitCode, result.last['code']]).toEqual([5, 'body-too-large']);
  });

  test('the doctor finds a proxy that cuts a connection after 5 s of silence', async () => {
    const { result, bad, of } = await examine({ patienceMs: 5000 }, { silence: '8s' });
    expect(apartFromSpace(bad)).toEqual([['silence', 'problem', 'timeout']]);
    expect(of('silence')['message']).toContain('after 5 s');
    expect(of('silence')['remedy']).toContain('proxy_read_timeout');
    expect(result.exitCode).toBe(5);
  });

  test('the doctor only warns of a proxy that cuts a connection after 12 s of silence', async () => {
    const { result, bad } = await examine({ patienceMs: 12_000 }, { silence: '15s' });
    expect(apartFromSpace(bad)).toEqual([['silence', 'warning', undefined]]);
    expect(result.exitCode).toBe(0);
  });

  test.each([
    [-3_600_000, '3600 s behind'],
    [120_000, '120 s ahead'],
  ])('the doctor finds a proxy or server whose clock is %i ms off', async (dateAheadMs, words) => {
    const { bad, of } = await examine({ dateAheadMs });
    expect(apartFromSpace(bad)).toEqual([['clock', 'warning', undefined]]);
    expect(of('clock')['message']).toContain(words);
  });
});

describe('what ends an examination', () => {
  test('the doctor exits with 6 for a wrong token, and says what to do', async () => {
    const { result, bad, of } = await examine({}, { token: 'w'.repeat(43) });
    expect(apartFromSpace(bad)).toEqual([['token', 'problem', 'unauthenticated']]);
    expect(of('token')['remedy']).toContain('--token-file');
    expect(result.exitCode).toBe(6);
    expect(result.stdout.toString()).not.toContain('w'.repeat(43));
  });

  test('the doctor exits with 5 where no server is at the port', async () => {
    const server = await startDiskServer();
    const { result, bad } = await examineAt(`http://127.0.0.1:${await freePort()}/`, server, {});
    expect(apartFromSpace(bad)).toEqual([['address', 'problem', 'network']]);
    expect(result.exitCode).toBe(5);
  });

  test('the doctor exits with 5 for a name that does not exist', async () => {
    const environment = { stateHome: temporaryDirectory() };
    const { result, of } = read(await cairn(['doctor', '--json', 'http://no.such.invalid/'], environment));
    expect(of('address')).toMatchObject({ level: 'problem', code: 'network' });
    expect(result.exitCode).toBe(5);
  });

  test('the doctor ends where a server takes connections and never answers', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const environment = { stateHome: temporaryDirectory() };
    const startMs = performance.now();
    const { result, of } = read(await cairn(['doctor', '--json', `http://127.0.0.1:${port}/`], environment));
    expect(of('server')).toMatchObject({ level: 'problem', code: 'timeout' });
    expect(result.exitCode).toBe(5);
    expect(performance.now() - startMs).toBeLessThan(25_000);
  });

  test('the doctor exits with 2 where a file is in the place of the state directory, before it asks a server', async () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '');
    const environment = { stateHome: file };
    const { result, bad } = read(await cairn(['doctor', '--json', 'http://127.0.0.1:9/'], environment));
    expect(bad).toEqual([['state-home', 'problem', 'not-directory']]);
    expect(result.exitCode).toBe(2);
  });

  test.skipIf(obeyingPermissions === undefined)(
    'the doctor exits with 9 where it may not write in the state directory',
    async () => {
      const home = path.join(temporaryDirectory(), 'home');
      mkdirSync(home);
      chmodSync(home, 0o500);
      const environment = { stateHome: home, before: obeyingPermissions! };
      const { result } = read(await cairn(['doctor', '--json', 'http://127.0.0.1:9/'], environment));
      expect(result.exitCode).toBe(9);
    },
  );

  test.each([[['ftp://x/']], [['--silence', '3m', 'http://127.0.0.1:9/']]])(
    'the doctor exits with 2 for words like %j',
    async (words) => {
      const result = await cairn(['doctor', '--json', ...words], { stateHome: temporaryDirectory() });
      expect([result.exitCode, result.last['code']]).toEqual([2, 'usage']);
    },
  );

  test('the doctor exits with 130 upon SIGINT', async () => {
    const server = await startDiskServer();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const run = startCairn(['doctor', '--json', `${server.url}/`], environment);
    await untilLine(run, ({ check }) => check === 'download');
    run.child.kill('SIGINT');
    expect(await run.result).toMatchObject({ exitCode: 130 });
  });
});

describe('a server that speaks TLS', () => {
  async function examineTls(
    words: readonly string[],
    env: Record<string, string> = {},
  ): Promise<Examination> {
    const authority = await issueAuthority('Doctor');
    const files = writeIssued(await issueServer(authority));
    const extraArgs = ['--tls-cert', files.cert, '--tls-key', files.key];
    const server = await startDiskServer({ extraArgs });
    const environment = { stateHome: temporaryDirectory(), token: server.token, env };
    const ca = words.includes('--tls-ca') ? [writeAuthorities(authority)] : [];
    const url = `https://127.0.0.1:${server.port}/`;
    return read(await cairn(['doctor', '--json', '--silence', '1s', ...words, ...ca, url], environment));
  }

  test('the doctor checks the certificate of a server against the authority that is named', async () => {
    const { result, bad, of } = await examineTls(['--tls-ca']);
    expect(apartFromSpace(bad).filter(([check]) => check !== 'certificate')).toEqual([]);
    expect(of('certificate')['message']).toContain('TLSv1.3');
    expect(of('certificate')['level']).not.toBe('problem');
    expect(result.exitCode).toBe(0);
  });

  test('the doctor exits with 6 for an untrusted certificate', async () => {
    const { result, bad } = await examineTls([]);
    expect(apartFromSpace(bad)).toEqual([['certificate', 'problem', 'certificate-untrusted']]);
    expect(result.exitCode).toBe(6);
  });

  test('the doctor examines a server through the proxy of the environment', async () => {
    const proxy = await startHttpProxy();
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, CAIRN_PROXY_LOOPBACK: '1' };
    const { result, bad, of } = await examineTls(['--tls-ca'], env);
    expect(apartFromSpace(bad)).toEqual([]);
    expect(of('address')['message']).toContain(`127.0.0.1:${proxy.port}`);
    expect(of('silence')['level']).toBe('ok');
    expect(of('silence')['message']).toContain('--thorough');
    expect(result.exitCode).toBe(0);
  });
});

test('the doctor prints each finding for people on a line, and its remedy on another', async () => {
  const server = await startDiskServer();
  const environment = { stateHome: temporaryDirectory(), token: 'wrong' };
  const { stdout } = await cairn(['doctor', `${server.url}/`], environment);
  const lines = stdout.toString().trimEnd().split('\n');
  expect(lines.at(-1)).toMatch(/^1 problem, \d+ warnings?$/);
  expect(lines.at(-3)).toMatch(/^problem {2}token {7}the access token is not valid here/);
  expect(lines.at(-2)).toMatch(/^ {21}→ give a token/);
});
