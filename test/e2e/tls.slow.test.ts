/** TLS end to end: real processes, real certificates. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn, untilLine, type CliResult } from '../support/cli.ts';
import {
  issue,
  issueAuthority,
  issueServer,
  rewriteIssued,
  writeAuthorities,
  writeIssued,
  type Issued,
} from '../support/certificates.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { startDiskServer, type DiskServer, type DiskServerOptions } from '../support/servers.ts';
import {
  digestOf,
  pictureOf,
  temporaryDirectory,
  writeAwkwardTree,
  writeRandomFile,
} from '../support/trees.ts';

const MiB = 1024 * 1024;

/** A server that speaks TLS with a certificate of `authority`. */
async function startTlsServer(
  own: Issued,
  extraArgs: readonly string[] = [],
  options: DiskServerOptions = {},
): Promise<DiskServer & { readonly secureUrl: string; readonly files: { cert: string; key: string } }> {
  const files = writeIssued(own);
  const args = ['--tls-cert', files.cert, '--tls-key', files.key, ...extraArgs];
  const server = await startDiskServer({ ...options, extraArgs: args });
  const { token: _token, ...rest } = server;
  return Object.assign(rest, {
    get token() {
      return readFileSync(path.join(server.root, '.cairn/token'), 'utf8').trim();
    },
    secureUrl: `https://127.0.0.1:${server.port}`,
    files,
  });
}

async function untilLogged(server: Pick<DiskServer, 'log'>, text: string): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (server.log().includes(text)) return;
    // oxlint-disable-next-line no-await-in-loop -- waiting is the purpose
    await delay(25);
  }
  throw new Error(`never logged: ${text}\n${server.log()}`);
}

const ls = (
  url: string,
  token: string | undefined,
  words: readonly string[] = [],
  env = {},
): Promise<CliResult> =>
  cairn(['ls', '--json', '--retry-for', '3s', ...words, `${url}/`], {
    stateHome: temporaryDirectory(),
    token,
    env,
  });

describe('transfers over TLS', () => {
  test('a transfer over TLS goes both ways with a private authority, and is listed and verified', async () => {
    const authority = await issueAuthority('House of Stones');
    const ca = writeAuthorities(authority);
    const server = await startTlsServer(await issueServer(authority));
    const source = temporaryDirectory();
    writeAwkwardTree(source);
    const client = { stateHome: temporaryDirectory(), token: server.token };
    const url = `${server.secureUrl}/tree`;
    const pushed = await cairn(['push', '--json', '--tls-ca', ca, source, url], client);
    expect([pushed.exitCode, pushed.stderr]).toEqual([0, '']);
    const copy = path.join(temporaryDirectory(), 'copy');
    // The environment stands for the option.
    const pulled = await cairn(['pull', '--json', url, copy], { ...client, env: { CAIRN_TLS_CA: ca } });
    expect(pulled.exitCode).toBe(0);
    expect(pictureOf(copy)).toEqual(pictureOf(source));
    expect((await cairn(['verify', '--tls-ca', ca, source, url], client)).exitCode).toBe(0);
    expect((await ls(server.secureUrl, server.token, ['--tls-ca', ca])).exitCode).toBe(0);
  });

  test('a transfer over TLS is resumed with its options, and a client finds the token of a server of its user', async () => {
    const own = await issueServer();
    const server = await startTlsServer(own);
    const source = path.join(temporaryDirectory(), 'file');
    writeRandomFile(source, 4 * MiB);
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: MiB });
    onTestFinished(() => proxy.close());
    const client = { stateHome: temporaryDirectory(), token: server.token };
    const url = `https://localhost:${proxy.port}/file`;
    const words = ['push', '--json', '--chunk-size', '64K', '--tls-ca', server.files.cert, source, url];
    const run = startCairn(words, client);
    await untilLine(run, (line) => line['type'] === 'progress' && Number(line['bytesDone']) > 0);
    run.child.kill('SIGTERM');
    expect((await run.result).exitCode).toBe(143);
    const listed = await cairn(['transfers', '--json'], client);
    expect(listed.lines[0]?.['resumeCommand']).toEqual(
      expect.arrayContaining(['--tls-ca', server.files.cert]),
    );
    expect((await cairn(['transfers', 'resume', '--quiet'], client)).exitCode).toBe(0);
    expect(digestOf(path.join(server.root, 'file'))).toBe(digestOf(source));
    const neighbour = { stateHome: server.stateHome };
    const found = await cairn(['ls', '--tls-ca', server.files.cert, `${server.secureUrl}/`], neighbour);
    expect([found.exitCode, found.stdout.toString()]).toEqual([0, expect.stringContaining('file')]);
  });
});

test('a flipped bit below TLS costs a connection, and the transfer goes on', async () => {
  const server = await startTlsServer(await issueServer());
  const source = path.join(temporaryDirectory(), 'file');
  writeRandomFile(source, 8 * MiB);
  const proxy = await startCuttingProxy({ targetPort: server.port });
  onTestFinished(() => proxy.close());
  let bytesUntilFlip = 4 * MiB;
  proxy.onPiece(({ bytes, way }) => {
    if (way !== 'up') return;
    if (bytesUntilFlip > 0 && bytesUntilFlip <= bytes.length) bytes[bytes.length >> 1]! ^= 4;
    bytesUntilFlip -= bytes.length;
  });
  const words = ['push', '--json', '--chunk-size', '256K', '--tls-ca', server.files.cert, source];
  const client = { stateHome: temporaryDirectory(), token: server.token };
  const pushed = await cairn([...words, `https://127.0.0.1:${proxy.port}/file`], client);
  expect([pushed.exitCode, pushed.last['code']]).toEqual([0, 'ok']);
  expect(Number(pushed.last['retries'])).toBeGreaterThan(0);
  expect(digestOf(path.join(server.root, 'file'))).toBe(digestOf(source));
});

describe('untrusted certificates', () => {
  test.each([
    ['expired', { days: -3 }, 'it has expired, it was valid until 20'],
    ['wrong host', { dns: ['other.example'], ips: [] }, 'it is not for 127.0.0.1, but for other.example'],
  ])('an untrusted certificate (%s) ends the command at once', async (_why, changes, said) => {
    const authority = await issueAuthority('House of Stones');
    const server = await startTlsServer(await issueServer(authority, changes));
    const result = await ls(server.secureUrl, server.token, ['--tls-ca', writeAuthorities(authority)]);
    expect([result.exitCode, result.last['code']]).toEqual([6, 'certificate-untrusted']);
    expect(result.stderr + String(result.last['message'])).toContain(said);
  });

  test('a certificate of an unknown issuer, or of another authority than the named one, ends the command at once', async () => {
    const server = await startTlsServer(await issueServer(await issueAuthority('House of Stones')));
    const unknown = await ls(server.secureUrl, server.token);
    expect([unknown.exitCode, unknown.last['code']]).toEqual([6, 'certificate-untrusted']);
    expect(unknown.last['message']).toMatch(
      /127\.0\.0\.1.*"House of Stones" is neither shown by the server nor trusted here.*--tls-ca FILE/,
    );
    const other = writeAuthorities(await issueAuthority('House of Sticks'));
    const wrong = await ls(server.secureUrl, server.token, ['--tls-ca', other]);
    expect([wrong.exitCode, wrong.last['code']]).toEqual([6, 'certificate-untrusted']);
    expect(wrong.last['message']).toContain('the authority in --tls-ca (or CAIRN_TLS_CA) has not issued it');
    // Nobody was asked for anything, least of all with a token.
    expect(server.log()).not.toContain('a client asked for the root of the protocol');
  });
});

describe('wrong schemes', () => {
  test('a client with http at a port of TLS is told of https, and one with https at a plain port of http', async () => {
    const secure = await startTlsServer(await issueServer());
    const plain = await startDiskServer();
    const http = await ls(secure.url, secure.token);
    expect([http.exitCode, http.last['code']]).toEqual([2, 'not-a-cairn-server']);
    expect(http.last['message']).toContain('write https:// instead of http://');
    const https = await ls(`https://127.0.0.1:${plain.port}`, plain.token);
    expect([https.exitCode, https.last['code']]).toEqual([2, 'not-a-cairn-server']);
    expect(https.last['message']).toContain('does not speak TLS');
  });
});

describe('servers with TLS', () => {
  const serve = (words: readonly string[]): Promise<CliResult> => {
    const root = temporaryDirectory();
    const listen = ['--root', root, '--listen', '127.0.0.1:0', '--json'];
    return cairn(['serve', ...listen, ...words], { stateHome: temporaryDirectory() });
  };

  test('a server with TLS refuses files that do not fit, and says what to do', async () => {
    const files = writeIssued(await issueServer());
    const others = writeIssued(await issueServer());
    const refused = async (cert: string, key: string): Promise<string> => {
      const result = await serve(['--tls-cert', cert, '--tls-key', key]);
      const told = JSON.parse(result.stderr.trim().split('\n').at(-1)!) as Record<string, unknown>;
      expect([result.exitCode, told['code']]).toEqual([2, 'config-invalid']);
      return String(told['msg']);
    };
    expect(await refused(files.cert, others.key)).toContain('does not belong to the first certificate');
    expect(await refused(files.key, files.key)).toContain('has no certificate in PEM form');
    expect(await refused(files.cert, files.cert)).toMatch(/other users may read|no private key/);
    expect(await refused(files.cert, `${files.key}-gone`)).toContain('ENOENT');
    chmodSync(files.key, 0o644);
    expect(await refused(files.cert, files.key)).toContain(`chmod 600 ${files.key}`);
    chmodSync(files.key, 0o600);
    writeFileSync(files.key, readFileSync(files.key, 'utf8').replaceAll('PRIVATE', 'ENCRYPTED PRIVATE'));
    expect(await refused(files.cert, files.key)).toContain('encrypted with a passphrase');
    for (const words of [
      ['--tls-cert', files.cert],
      ['--tls-client-ca', files.cert],
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one process after the other
      expect((await serve(words)).last['code']).toBe('usage');
    }
  });

  test('a server with TLS warns of a certificate that is about to end, and listens beyond the machine', async () => {
    const files = writeIssued(await issueServer(undefined, { days: 5 }));
    const words = ['serve', '--root', temporaryDirectory(), '--listen', '0.0.0.0:0', '--json'];
    const run = startCairn([...words, '--tls-cert', files.cert, '--tls-key', files.key], {
      stateHome: temporaryDirectory(),
    });
    const line = await untilLine(run, ({ type }) => type === 'listening');
    expect(String(line['url'])).toMatch(/^https:\/\/127\.0\.0\.1:/);
    run.child.kill('SIGTERM');
    const result = await run.result;
    expect(result.stderr).toContain('the certificate expires soon');
    expect(result.stderr).toContain('"daysLeft":4');
  });

  test('a server with TLS shows a new certificate after SIGHUP, keeps the old one where it is bad, and drops no client', async () => {
    const authorities = [await issueAuthority('Old House'), await issueAuthority('New House')] as const;
    const [first, second] = [await issueServer(authorities[0]), await issueServer(authorities[1])];
    const server = await startTlsServer(first);
    const both = writeAuthorities(...authorities);
    const onlySecond = writeAuthorities(authorities[1]);
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 2 * MiB });
    onTestFinished(() => proxy.close());
    const source = path.join(temporaryDirectory(), 'file');
    writeRandomFile(source, 8 * MiB);
    const words = ['push', '--json', '--chunk-size', '256K', '--tls-ca', both, source];
    const client = { stateHome: temporaryDirectory(), token: server.token };
    const run = startCairn([...words, `https://127.0.0.1:${proxy.port}/file`], client);
    await untilLine(run, (line) => line['type'] === 'progress' && Number(line['bytesDone']) > 0);
    // A certificate without its key is half of an exchange.
    writeFileSync(server.files.cert, second.cert);
    process.kill(server.pid()!, 'SIGHUP');
    await untilLogged(server, 'the certificate was not reloaded');
    expect((await ls(server.secureUrl, server.token, ['--tls-ca', onlySecond])).exitCode).toBe(6);
    rewriteIssued(server.files, second);
    process.kill(server.pid()!, 'SIGHUP');
    await untilLogged(server, '"msg":"certificate reloaded"');
    expect((await ls(server.secureUrl, server.token, ['--tls-ca', onlySecond])).exitCode).toBe(0);
    const pushed = await run.result;
    expect(pushed.exitCode).toBe(0);
    expect(pushed.last).toMatchObject({ retries: 0, resumes: 0, bytesSent: 8 * MiB });
    expect(digestOf(path.join(server.root, 'file'))).toBe(digestOf(source));
  });
});

describe('client certificates', () => {
  /** A server that accepts certificates of `clients`, and how to show one. */
  async function mutualScene(extraArgs: readonly string[] = []) {
    const clients = await issueAuthority('Clients');
    const clientCa = writeAuthorities(clients);
    const own = await issueServer();
    const server = await startTlsServer(own, ['--tls-client-ca', clientCa, ...extraArgs]);
    const show = async (name: string, issuer = clients, days = 90): Promise<string[]> => {
      const { cert, key } = writeIssued(await issue({ name, days }, issuer));
      return ['--tls-ca', server.files.cert, '--tls-client-cert', cert, '--tls-client-key', key];
    };
    return { server, clients, clientCa, show };
  }

  test('client certificates replace tokens, each for its own directory', async () => {
    const { server, show } = await mutualScene(['--tls-client-path', '/home/{cn}']);
    const alice = await show('alice');
    const source = temporaryDirectory();
    writeAwkwardTree(source);
    const stateHome = temporaryDirectory();
    const push = (words: readonly string[], where: string): Promise<CliResult> =>
      cairn(['push', '--json', ...words, source, `${server.secureUrl}${where}`], { stateHome });
    expect((await push(alice, '/home/alice/photos')).exitCode).toBe(0);
    expect(pictureOf(path.join(server.root, 'home/alice/photos'))).toEqual(pictureOf(source));
    const copy = path.join(temporaryDirectory(), 'copy');
    const pull = ['pull', ...alice, `${server.secureUrl}/home/alice/photos`, copy];
    expect((await cairn(pull, { stateHome })).exitCode).toBe(0);
    const outside = await push(alice, '/home/bob');
    expect([outside.exitCode, outside.last['code']]).toEqual([6, 'forbidden']);
    const climbing = await push(await show('..'), '/home');
    expect([climbing.exitCode, climbing.last['code']]).toEqual([6, 'unauthenticated']);
    expect(existsSync(path.join(server.root, 'home/bob'))).toBe(false);
  });

  test('client certificates are not needed with a token, and do not help with a wrong one', async () => {
    const { server, show } = await mutualScene();
    const trust = ['--tls-ca', server.files.cert];
    expect((await ls(server.secureUrl, server.token, trust)).exitCode).toBe(0);
    expect((await ls(server.secureUrl, undefined, trust)).last['code']).toBe('unauthenticated');
    const alice = await show('alice');
    expect((await ls(server.secureUrl, undefined, alice)).exitCode).toBe(0);
    expect((await ls(server.secureUrl, 'a-wrong-token', alice)).last['code']).toBe('unauthenticated');
  });

  test('client certificates of another authority, and expired ones, are refused', async () => {
    const { server, show } = await mutualScene();
    const stranger = await ls(
      server.secureUrl,
      undefined,
      await show('alice', await issueAuthority('Clients')),
    );
    expect([stranger.exitCode, stranger.last['code']]).toEqual([6, 'unauthenticated']);
    expect(stranger.last['message']).toContain('the client certificate is not accepted');
    const old = await ls(server.secureUrl, undefined, await show('alice', undefined, -1));
    expect([old.exitCode, old.last['code']]).toEqual([6, 'unauthenticated']);
  });

  test('client certificates allow only what the server says', async () => {
    const { server, show } = await mutualScene(['--tls-client-scope', 'list']);
    mkdirSync(path.join(server.root, 'directory'));
    const alice = await show('alice');
    expect((await ls(server.secureUrl, undefined, alice)).exitCode).toBe(0);
    const pull = [
      'pull',
      '--json',
      ...alice,
      `${server.secureUrl}/directory`,
      `${temporaryDirectory()}/copy`,
    ];
    const pulled = await cairn(pull, { stateHome: temporaryDirectory() });
    expect([pulled.exitCode, pulled.last['code']]).toEqual([6, 'forbidden']);
  });

  test('client certificates whose authority is removed end at once, and transfers go on once it is back', async () => {
    const { server, clients, clientCa, show } = await mutualScene();
    const alice = await show('alice');
    const source = path.join(temporaryDirectory(), 'file');
    writeRandomFile(source, 8 * MiB);
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: MiB });
    onTestFinished(() => proxy.close());
    const stateHome = temporaryDirectory();
    const push = ['push', '--json', '--chunk-size', '64K', '--parallel', '2', source];
    const run = startCairn([...push, ...alice, `https://127.0.0.1:${proxy.port}/file`], { stateHome });
    await untilLine(run, (line) => line['type'] === 'progress' && Number(line['bytesDone']) > MiB);
    const others = await issueAuthority('Others');
    writeFileSync(clientCa, others.cert);
    process.kill(server.pid()!, 'SIGHUP');
    await untilLogged(server, '"msg":"certificate reloaded"');
    const stopped = await run.result;
    expect(stopped.exitCode).toBe(6);
    expect(['token-revoked', 'unauthenticated']).toContain(stopped.last['code']);
    expect((await ls(server.secureUrl, undefined, alice)).exitCode).toBe(6);
    // The same name from an authority that is accepted goes on with it.
    writeFileSync(clientCa, [others.cert, clients.cert].join('\n'));
    process.kill(server.pid()!, 'SIGHUP');
    await delay(300);
    const renewed = await show('alice', others);
    const resumed = await cairn([...push, ...renewed, `https://127.0.0.1:${proxy.port}/file`], { stateHome });
    expect(resumed.exitCode).toBe(0);
    expect(Number(resumed.last['bytesSent'])).toBeLessThan(8 * MiB - MiB / 2);
    expect(digestOf(path.join(server.root, 'file'))).toBe(digestOf(source));
  });
});
