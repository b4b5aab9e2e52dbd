/** `cairn serve --store`, several of them over one store, by the real command line. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startBalancer } from '../support/balancer.ts';
import { cairn, startCairn, untilLine, type CliRun } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';
import { startHaproxy } from '../support/haproxy.ts';
import { startNginx } from '../support/nginx.ts';
import { hasProgram } from '../support/requirements.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';

interface Node {
  readonly port: number;
  readonly stateHome: string;
  readonly run: CliRun;
  /** What it printed once it listened. */
  readonly listening: Record<string, unknown>;
}

/** A server with a home of its own, as on another machine. */
async function startNode(store: string, stateHome = temporaryDirectory()): Promise<Node> {
  const port = await freePort();
  const words = ['serve', '--store', store, '--listen', `127.0.0.1:${port}`, '--json'];
  const run = startCairn(words, { stateHome });
  return { port, stateHome, run, listening: await untilLine(run, ({ type }) => type === 'listening') };
}

function newStore(): string {
  const store = path.join(temporaryDirectory(), 'store');
  mkdirSync(store, { mode: 0o700 });
  return store;
}

const tokenOf = ({ listening }: Node): string => readFileSync(String(listening['tokenFile']), 'utf8').trim();

function writeTree(): string {
  const source = path.join(temporaryDirectory(), 'source');
  mkdirSync(path.join(source, 'a'), { recursive: true });
  writeFileSync(path.join(source, 'large'), Buffer.alloc(3_000_000, 'large'));
  for (let n = 0; n < 60; n += 1) writeFileSync(path.join(source, 'a', String(n)), `${n} `.repeat(n));
  return source;
}

test('two servers over one store share the requests of a push and a pull, and one of them may die', async () => {
  const store = newStore();
  const nodes = [await startNode(store), await startNode(store)] as const;
  let there: readonly Node[] = nodes;
  const balancer = await startBalancer(() => there.map(({ port }) => port));
  const client = { stateHome: temporaryDirectory(), token: tokenOf(nodes[0]) };
  const source = writeTree();
  const push = (target: string) =>
    cairn(['push', '--json', '--chunk-size', '256K', source, `${balancer.url}/${target}`], client);
  const first = await push('tree');
  expect(first.exitCode, first.stderr).toBe(0);
  there = [nodes[1]];
  nodes[0].run.child.kill('SIGKILL');
  const copy = path.join(temporaryDirectory(), 'copy');
  const pulled = await cairn(['pull', '--json', `${balancer.url}/tree`, copy], client);
  expect(pulled.exitCode, pulled.stderr).toBe(0);
  expect(pictureOf(copy)).toEqual(pictureOf(source));
  const again = await push('tree');
  expect([again.exitCode, again.last['bytesSent']]).toEqual([0, 0]);
  await balancer.close();
});

test.skipIf(!hasProgram('nginx'))(
  'nginx and haproxy send requests to several servers as the documents say (skipped without nginx)',
  async () => {
    const store = newStore();
    const nodes = [await startNode(store), await startNode(store)];
    const ports = nodes.map(({ port }) => port);
    const servers = ports.map((port) => `server 127.0.0.1:${port};`).join(' ');
    const proxying =
      'proxy_pass http://cairn; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; proxy_buffering off; client_max_body_size 0;';
    const nginx = await startNginx(
      `location / { ${proxying} }`,
      `upstream cairn { ${servers} keepalive 32; }`,
    );
    const urls = hasProgram('haproxy') ? [nginx, await startHaproxy(ports)] : [nginx];
    const source = writeTree();
    for (const [index, url] of urls.entries()) {
      const client = { stateHome: temporaryDirectory(), token: tokenOf(nodes[0]!) };
      const words = ['--json', '--chunk-size', '256K'];
      const pushed = await cairn(['push', ...words, source, `${url}/tree-${index}`], client);
      expect(pushed.exitCode, pushed.stderr).toBe(0);
      const copy = path.join(temporaryDirectory(), 'copy');
      const pulled = await cairn(['pull', ...words, `${url}/tree-${index}`, copy], client);
      expect(pulled.exitCode, pulled.stderr).toBe(0);
      expect(pictureOf(copy)).toEqual(pictureOf(source));
    }
  },
);

test('servers over one store share their tokens, and only the one that made the first has its secret', async () => {
  const store = newStore();
  const first = await startNode(store);
  const second = await startNode(store);
  expect(existsSync(String(first.listening['tokenFile']))).toBe(true);
  expect(existsSync(String(second.listening['tokenFile']))).toBe(false);
  const command = { stateHome: temporaryDirectory() };
  const made = await cairn(
    ['token', 'create', 'reader', '--scope', 'list', '--store', store, '--json'],
    command,
  );
  const secret = String(made.lines[0]?.['secret']);
  const list = ({ port }: Node) =>
    cairn(['ls', `http://127.0.0.1:${port}/`], { stateHome: temporaryDirectory(), token: secret });
  for (const node of [first, second]) expect((await list(node)).exitCode).toBe(0);
  expect((await cairn(['token', 'revoke', 'reader', '--store', store], command)).exitCode).toBe(0);
  for (const node of [first, second]) {
    await expect.poll(async () => (await list(node)).exitCode, { timeout: 20_000 }).toBe(6);
  }
});

test('a server of a store ends in order, and refuses a directory that is none or is missing', async () => {
  const store = newStore();
  const node = await startNode(store);
  node.run.child.kill('SIGTERM');
  expect((await node.run.result).exitCode).toBe(0);
  const files = temporaryDirectory();
  writeFileSync(path.join(files, 'mine'), '');
  const command = { stateHome: temporaryDirectory() };
  const refused = await cairn(['serve', '--store', files, '--listen', '127.0.0.1:0'], command);
  expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('no store of objects')]);
  const missing = await cairn(['serve', '--store', path.join(files, 'none')], command);
  expect([missing.exitCode, missing.stderr]).toEqual([4, expect.stringContaining('make it first')]);
});
