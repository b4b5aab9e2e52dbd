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

/** The lines that `docs/operating.md` shows, but for addresses and TLS. */
async function startNginxBefore(ports: readonly number[]): Promise<string> {
  const shown = /```nginx\n(.*?)```/s.exec(
    readFileSync(path.join(import.meta.dirname, '../../docs/operating.md'), 'utf8'),
  )!;
  const text = shown[1]!.replaceAll(/#.*/g, '');
  const [beside = '', server = ''] = text.split('server {\n', 2);
  const addresses = Array.from(beside.matchAll(/server [\d.]+:7070;/g), ([line]) => line);
  expect(addresses).toHaveLength(ports.length);
  const placed = addresses.reduce(
    (all, line, index) => all.replace(line, `server 127.0.0.1:${ports[index]};`),
    beside,
  );
  return startNginx(server.replace(/listen .*;/, '').replace(/\}\s*$/, ''), placed);
}

test.skipIf(!hasProgram('nginx') || !hasProgram('haproxy'))(
  'nginx and haproxy send requests and channels to three servers as the documents say, one of which is killed (skipped without both)',
  async () => {
    const store = newStore();
    const nodes = [await startNode(store), await startNode(store), await startNode(store)];
    const ports = nodes.map(({ port }) => port);
    const source = writeTree();
    const client = { stateHome: temporaryDirectory(), token: tokenOf(nodes[0]!) };
    const urls = [await startNginxBefore(ports), await startHaproxy(ports)];
    for (const url of urls) {
      const examined = await cairn(['doctor', '--silence', '1s', '--json', `${url}/`], client);
      const found = examined.lines.filter(({ check }) => ['nodes', 'channels'].includes(String(check)));
      expect(found.map(({ message }) => message)).toEqual([
        '3 of 3 servers answer, and share one store',
        'chunks may go over channels',
      ]);
    }
    for (const [index, url] of urls.entries()) {
      const words = ['--json', '--chunk-size', '256K'];
      const push = startCairn(['push', ...words, '--bwlimit', '1M', source, `${url}/tree-${index}`], client);
      await untilLine(push, ({ phase }) => phase === 'transferring');
      const [killed] = nodes.splice(1, 1);
      killed!.run.child.kill('SIGKILL');
      const pushed = await push.result;
      expect(pushed.exitCode, pushed.stderr).toBe(0);
      const copy = path.join(temporaryDirectory(), 'copy');
      const pulled = await cairn(['pull', ...words, `${url}/tree-${index}`, copy], client);
      expect(pulled.exitCode, pulled.stderr).toBe(0);
      expect(pictureOf(copy)).toEqual(pictureOf(source));
    }
  },
);

test('doctor tells a balancer that reaches all servers from a sticky one', async () => {
  const store = newStore();
  const nodes = [await startNode(store), await startNode(store)] as const;
  let there: readonly number[] = nodes.map(({ port }) => port);
  const balancer = await startBalancer(() => there);
  const examine = async (token: string) => {
    const client = { stateHome: temporaryDirectory(), token };
    const result = await cairn(['doctor', '--silence', '1s', '--json', `${balancer.url}/`], client);
    return result.lines.filter(({ check }) => check === 'nodes');
  };
  const token = tokenOf(nodes[0]);
  expect(await examine(token)).toMatchObject([{ level: 'ok' }]);
  there = [nodes[1].port];
  // The one that started last knows of both.
  const [sticky] = await examine(token);
  expect(sticky).toMatchObject({ level: 'warning' });
  await balancer.close();
});

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

test('a server with a delay is not ready at first when it is to end, serves on, and ends then', async () => {
  const port = await freePort();
  const words = [
    'serve',
    '--store',
    newStore(),
    '--listen',
    `127.0.0.1:${port}`,
    '--json',
    '--drain-delay',
    '2s',
  ];
  const run = startCairn(words, { stateHome: temporaryDirectory() });
  await untilLine(run, ({ type }) => type === 'listening');
  const statusOf = async (name: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${port}/.cairn/${name}`)).status;
  expect(await statusOf('readyz')).toBe(200);
  run.child.kill('SIGTERM');
  await expect.poll(() => statusOf('readyz'), { interval: 20 }).toBe(503);
  expect(await statusOf('healthz')).toBe(200);
  expect((await run.result).exitCode).toBe(0);
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
