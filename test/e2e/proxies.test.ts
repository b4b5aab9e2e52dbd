/** Transfers through HTTP proxies, and redirects, with the real command line. */
import { createServer as createPlainServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { issueServer, writeIssued } from '../support/certificates.ts';
import { cairn, startCairn, untilLine, type CliResult } from '../support/cli.ts';
import { startHttpProxy } from '../support/http-proxy.ts';
import { startDiskServer } from '../support/servers.ts';
import {
  digestOf,
  pictureOf,
  temporaryDirectory,
  writeAwkwardTree,
  writeRandomFile,
} from '../support/trees.ts';

const MiB = 1024 * 1024;
const LOOPBACK = { CAIRN_PROXY_LOOPBACK: '1', NO_PROXY: '', no_proxy: '' };

async function secureServer() {
  const files = writeIssued(await issueServer());
  const server = await startDiskServer({ extraArgs: ['--tls-cert', files.cert, '--tls-key', files.key] });
  return { server, ca: files.cert, url: `https://127.0.0.1:${server.port}` };
}

function run(words: readonly string[], token: string, env: Record<string, string>): Promise<CliResult> {
  return cairn(words, { stateHome: temporaryDirectory(), token, env: { ...LOOPBACK, ...env } });
}

describe('proxies for https', () => {
  test('a proxy for https carries a push and a pull in tunnels, and sees nothing of them', async () => {
    const { server, ca, url } = await secureServer();
    const proxy = await startHttpProxy({ credentials: 'me:p@ss' });
    const env = { HTTPS_PROXY: `http://me:p%40ss@127.0.0.1:${proxy.port}`, CAIRN_TLS_CA: ca };
    const source = temporaryDirectory();
    writeAwkwardTree(source);
    const pushed = await run(['push', '--json', source, `${url}/tree`], server.token, env);
    expect([pushed.exitCode, pushed.last['retries']]).toEqual([0, 0]);
    const copy = path.join(temporaryDirectory(), 'copy');
    expect((await run(['pull', '--quiet', `${url}/tree`, copy], server.token, env)).exitCode).toBe(0);
    expect(pictureOf(copy)).toEqual(pictureOf(source));
    expect(new Set(proxy.tunnels)).toEqual(new Set([`127.0.0.1:${server.port}`]));
    // No more sockets than the two pools may have.
    expect(proxy.tunnels.length).toBeLessThanOrEqual(2 * 6);
    expect([proxy.requests, proxy.refusals]).toEqual([[], []]);
  });

  test('a push goes on through a proxy for https that cut its tunnels', async () => {
    const { server, ca, url } = await secureServer();
    const proxy = await startHttpProxy();
    const source = path.join(temporaryDirectory(), 'file');
    writeRandomFile(source, 64 * MiB);
    const pushing = startCairn(['push', '--json', '--tls-ca', ca, source, `${url}/file`], {
      stateHome: temporaryDirectory(),
      token: server.token,
      env: { ...LOOPBACK, https_proxy: `127.0.0.1:${proxy.port}` },
    });
    await untilLine(pushing, (line) => line['type'] === 'progress');
    proxy.cutAll();
    const pushed = await pushing.result;
    expect(pushed.exitCode).toBe(0);
    expect(digestOf(path.join(server.root, 'file'))).toBe(digestOf(source));
  });

  test('a proxy for https may speak TLS itself', async () => {
    const { server, ca, url } = await secureServer();
    const certificate = await issueServer();
    const proxy = await startHttpProxy({ certificate });
    const env = { HTTPS_PROXY: `https://localhost:${proxy.port}`, CAIRN_TLS_CA: ca };
    const untrusted = await run(['ls', '--json', `${url}/`], server.token, env);
    expect([untrusted.exitCode, untrusted.last['code']]).toEqual([6, 'certificate-untrusted']);
    expect(untrusted.last['message']).toContain(
      `of the proxy https://localhost:${proxy.port} is not trusted`,
    );
    const trusted = { ...env, NODE_EXTRA_CA_CERTS: writeIssued(certificate).cert };
    expect((await run(['ls', '--json', `${url}/`], server.token, trusted)).exitCode).toBe(0);
    expect(proxy.tunnels.length).toBeGreaterThan(0);
  });

  test('a proxy for https does not hide an untrusted certificate', async () => {
    const { server, url } = await secureServer();
    const proxy = await startHttpProxy();
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` };
    const result = await run(['ls', '--json', `${url}/`], server.token, env);
    expect([result.exitCode, result.last['code']]).toEqual([6, 'certificate-untrusted']);
    expect(result.last['message']).toContain(`through the proxy http://127.0.0.1:${proxy.port}`);
  });

  test.each([
    [{ credentials: 'me:right' }, 6, 'proxy-refused', 'does not accept its password'],
    [{ refusesWith: 403 }, 6, 'proxy-refused', 'opens no connection to 127.0.0.1:'],
    [{ refusesWith: 503 }, 5, 'network', 'opens no connection to 127.0.0.1:'],
  ])('a client behind a proxy for https with %j exits with %i: %s', async (options, exitCode, code, said) => {
    const { server, ca, url } = await secureServer();
    const proxy = await startHttpProxy(options);
    const env = { HTTPS_PROXY: `http://me:wrong-secret@127.0.0.1:${proxy.port}`, CAIRN_TLS_CA: ca };
    const result = await run(['ls', '--json', '--retry-for', '1s', `${url}/`], server.token, env);
    expect([result.exitCode, result.last['code']]).toEqual([exitCode, code]);
    expect(result.last['message']).toContain(`the proxy http://127.0.0.1:${proxy.port} `);
    expect(result.last['message']).toContain(said);
    expect(result.stdout.toString() + result.stderr).not.toMatch(/wrong-secret|d3Jvbmct/);
  });

  test('a client names a proxy for https that is away, and refuses one of SOCKS', async () => {
    const { server, ca, url } = await secureServer();
    const gone = await startHttpProxy();
    const words = ['ls', '--json', '--retry-for', '1s', `${url}/`];
    const away = await run(words, server.token, { HTTPS_PROXY: 'http://127.0.0.1:1', CAIRN_TLS_CA: ca });
    expect([away.exitCode, away.last['code']]).toEqual([5, 'network']);
    expect(away.last['message']).toContain(
      'no connection to the proxy http://127.0.0.1:1: nothing listens there',
    );
    const socks = await run(words, server.token, { ALL_PROXY: `socks5://127.0.0.1:${gone.port}` });
    expect([socks.exitCode, socks.last['code']]).toEqual([2, 'config-invalid']);
  });
});

describe('proxies for http', () => {
  test('a proxy for http carries whole URLs, with the Host header of the server', async () => {
    const server = await startDiskServer();
    const proxy = await startHttpProxy({ credentials: 'me:pass' });
    const env = { http_proxy: `http://me:pass@127.0.0.1:${proxy.port}` };
    const source = temporaryDirectory();
    writeAwkwardTree(source);
    const pushed = await run(['push', '--json', source, `${server.url}/tree`], server.token, env);
    expect([pushed.exitCode, pushed.last['retries']]).toEqual([0, 0]);
    const copy = path.join(temporaryDirectory(), 'copy');
    expect((await run(['pull', '--quiet', `${server.url}/tree`, copy], server.token, env)).exitCode).toBe(0);
    expect(pictureOf(copy)).toEqual(pictureOf(source));
    expect(proxy.tunnels).toEqual([]);
    expect(proxy.requests[0]).toBe(`HEAD ${server.url}/tree`);
    expect(proxy.requests.some((line) => line.startsWith(`PUT ${server.url}/.cairn/v1/sessions/`))).toBe(
      true,
    );
    expect(proxy.forwarded.every((headers) => headers.includes(`"host":"127.0.0.1:${server.port}"`))).toBe(
      true,
    );
  });

  test('a client names a proxy for http that wants a password, and goes around it for what NO_PROXY excludes', async () => {
    const server = await startDiskServer();
    const proxy = await startHttpProxy({ credentials: 'me:pass' });
    const HTTP_PROXY = `http://127.0.0.1:${proxy.port}`;
    const words = ['ls', '--json', `${server.url}/`];
    const refused = await run(words, server.token, { HTTP_PROXY });
    expect([refused.exitCode, refused.last['code']]).toEqual([6, 'proxy-refused']);
    expect(refused.last['message']).toContain(`${HTTP_PROXY} wants a user and a password`);
    expect(proxy.refusals).toEqual([`HEAD ${server.url}/`]);
    const excepted = { HTTP_PROXY, NO_PROXY: `127.0.0.1:${server.port}` };
    expect((await run(words, server.token, excepted)).exitCode).toBe(0);
    // A server on this machine is reached without one, unless somebody asks for it.
    const ordinary = { stateHome: temporaryDirectory(), token: server.token, env: { HTTP_PROXY } };
    expect((await cairn(words, ordinary)).exitCode).toBe(0);
    expect(proxy.refusals.length).toBe(1);
  });
});

test('a redirect from https to http is refused, and nothing is sent there', async () => {
  const own = await issueServer();
  const asked: string[] = [];
  const plain = createPlainServer((request, response) => {
    asked.push(JSON.stringify(request.headers));
    response.end();
  });
  const at = (server: typeof plain): number => (server.address() as AddressInfo).port;
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  const secure = createSecureServer({ ...own }, (_request, response) => {
    response.writeHead(308, { Location: `http://127.0.0.1:${at(plain)}/` }).end();
  });
  await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const server of [plain, secure]) {
      server.closeAllConnections();
      server.close();
    }
  });
  const url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`;
  const result = await run(['ls', '--json', `${url}/`], 'secret', { CAIRN_TLS_CA: writeIssued(own).cert });
  expect([result.exitCode, result.last['code']]).toEqual([2, 'redirect-refused']);
  expect(asked).toEqual([]);
});
