/** Transfers through a real nginx, configured as it often is. */
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { cairn, type CliResult } from '../support/cli.ts';
import { startNginx } from '../support/nginx.ts';
import { hasProgram } from '../support/requirements.ts';
import { startDiskServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;

/** Pushes a file through nginx and pulls it back; both arrive. Answers how both ended. */
async function thereAndBack(linesFor: (server: string) => string, below = ''): Promise<readonly CliResult[]> {
  const server = await startDiskServer();
  const url = `${await startNginx(linesFor(server.url))}${below}/file`;
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const source = path.join(temporaryDirectory(), 'file');
  writeRandomFile(source, 24 * MIB);
  const pushed = await cairn(['push', '--json', '--retry-for', '20s', source, url], environment);
  expect([pushed.exitCode, pushed.last['message']]).toEqual([0, undefined]);
  expect(digestOf(path.join(server.root, 'file'))).toBe(digestOf(source));
  const copy = path.join(temporaryDirectory(), 'copy');
  const words = ['pull', '--json', '--retry-for', '20s', '--chunk-size', '256K', url, copy];
  const pulled = await cairn(words, environment);
  expect([pulled.exitCode, pulled.last['message']]).toEqual([0, undefined]);
  expect(digestOf(copy)).toBe(digestOf(source));
  return [pushed, pulled];
}

const UPGRADES =
  'proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";';

describe.skipIf(!hasProgram('nginx'))('nginx (skipped where there is none)', () => {
  test.each([
    ['as it is installed', ''],
    ['that closes each connection', 'client_max_body_size 0; keepalive_timeout 0;'],
    ['that takes eight requests a connection', 'client_max_body_size 0; keepalive_requests 8;'],
  ])('a file goes there and comes back through an nginx %s', async (_how, lines) => {
    await thereAndBack((server) => `${lines} location / { proxy_pass ${server}; }`);
  });

  test('a push and a pull work through nginx below a prefix, without retries', async () => {
    const ends = await thereAndBack(
      (server) => `client_max_body_size 0; location /files/ { ${UPGRADES} proxy_pass ${server}/; }`,
      '/files',
    );
    expect(ends.map(({ last }) => last['retries'])).toEqual([0, 0]);
  });

  async function examine(lines: (server: string) => string): Promise<CliResult> {
    const server = await startDiskServer();
    const url = await startNginx(lines(server.url));
    const environment = { stateHome: path.join(temporaryDirectory(), 'home'), token: server.token };
    return cairn(['doctor', '--json', '--silence', '1s', `${url}/`], environment);
  }

  test('the doctor finds error pages of nginx and names the remedy', async () => {
    const { lines: said, exitCode } = await examine(
      (server) => `location / { limit_except GET HEAD { deny all; } proxy_pass ${server}; }`,
    );
    const upload = said.find(({ check }) => check === 'upload');
    expect(upload).toMatchObject({ level: 'problem', code: 'network' });
    expect(upload!['remedy']).toContain('limit_except');
    expect(exitCode).toBe(5);
  });

  test('the doctor finds the problems of an nginx as it is installed, and its remedies solve them', async () => {
    const bad = ({ lines: said }: CliResult): unknown[] =>
      said
        .filter(({ level, check }) => level !== undefined && level !== 'ok' && check !== 'space')
        .map(({ check }) => check)
        .filter((check) => check !== 'state-home');
    const found = bad(await examine((server) => `location / { proxy_pass ${server}; }`));
    expect(found).toEqual(['upload', 'body-size', 'download', 'connections']);
    const remedied =
      'client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1; proxy_set_header Connection "";';
    expect(bad(await examine((server) => `location / { ${remedied} proxy_pass ${server}; }`))).toEqual([]);
  });
});
