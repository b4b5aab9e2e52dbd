import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliResult } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;

interface Scene {
  readonly server: DiskServer;
  /** A file of 1 MiB. */
  readonly file: string;
  /** Of a client that knows nothing of the server but its URL. */
  readonly stranger: CliEnvironment;
  /** Runs `cairn token` for the server; the secret, where it makes one, is in the file that is answered. */
  token(...words: string[]): Promise<CliResult>;
  create(name: string, ...words: string[]): Promise<string>;
  push(tokenFile: string, target: string, source?: string): Promise<CliResult>;
}

async function scene(): Promise<Scene> {
  const server = await startDiskServer();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, MIB);
  const stranger = { stateHome: temporaryDirectory() };
  const token = (...words: string[]): Promise<CliResult> =>
    cairn(['token', ...words, '--root', server.root], stranger);
  return {
    server,
    file,
    stranger,
    token,
    create: async (name, ...words) => {
      const secretFile = path.join(temporaryDirectory(), name);
      const made = await token('create', name, '--token-out', secretFile, ...words);
      expect(made, made.stderr).toMatchObject({ exitCode: 0 });
      return secretFile;
    },
    push: (tokenFile, target, source = file) =>
      cairn(['push', '--json', '--token-file', tokenFile, source, `${server.url}${target}`], stranger),
  };
}

/** Everything that a server has written, and every file of its state, as text. */
function remains({ root, log }: DiskServer): { name: string; text: string; mode: number }[] {
  const state = path.join(root, '.cairn');
  const files = readdirSync(state, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(state, name))
    .filter((name) => statSync(name).isFile());
  return [
    { name: 'the log', text: log(), mode: 0o600 },
    ...files.map((name) => ({ name, text: readFileSync(name, 'latin1'), mode: statSync(name).mode })),
  ];
}

test('a token allows its scopes and nothing else, and the error says so', async () => {
  const it = await scene();
  const reader = await it.create('reader', '--scope', 'read,list');
  expect(statSync(reader).mode & 0o777).toBe(0o600);
  expect(await it.push(reader, '/a')).toMatchObject({
    exitCode: 6,
    last: { code: 'forbidden', message: expect.stringContaining('this needs the scope "write"') },
  });
  const boxed = await it.create('boxed', '--path', '/in box', '--scope', 'write', '--scope', 'list');
  expect(await it.push(boxed, '/elsewhere')).toMatchObject({
    exitCode: 6,
    last: { code: 'forbidden', message: expect.stringContaining('only for "/in box" and everything below') },
  });
  expect(await it.push(boxed, '/in%20box/a')).toMatchObject({ exitCode: 0 });
  const list = ['ls', '--json', '--token-file'];
  expect(await cairn([...list, boxed, `${it.server.url}/`], it.stranger)).toMatchObject({ exitCode: 6 });
  expect(await cairn([...list, boxed, `${it.server.url}/in%20box`], it.stranger)).toMatchObject({
    exitCode: 0,
  });
  const pull = ['pull', '--json', '--token-file', reader, `${it.server.url}/in%20box/a`];
  const copy = path.join(temporaryDirectory(), 'copy');
  expect(await cairn([...pull, copy], it.stranger)).toMatchObject({ exitCode: 0 });
  expect(digestOf(copy)).toBe(digestOf(it.file));
  const short = await it.create('short', '--expires', '1s');
  await sleep(1100);
  expect(await it.push(short, '/b')).toMatchObject({ exitCode: 6, last: { code: 'token-expired' } });
  expect((await it.token('list')).stdout.toString()).toMatch(/short +short +read,write,list +\/ +expired/);
});

test('tokens are made and revoked before a server starts, while it runs, and after', async () => {
  const root = temporaryDirectory();
  const stranger = { stateHome: temporaryDirectory() };
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 1000);
  const token = (...words: string[]): Promise<CliResult> =>
    cairn(['token', ...words, '--json', '--root', root], stranger);
  expect(await token('list')).toMatchObject({ exitCode: 4, last: { code: 'not-found' } });
  const early = await token('create', 'early');
  expect(early.lines[0]).toMatchObject({ type: 'token', name: 'early', scopes: ['read', 'write', 'list'] });
  const server = await startDiskServer({ root });
  const push = (secret: unknown): Promise<CliResult> =>
    cairn(['push', '--json', file, `${server.url}/a`], { ...stranger, token: String(secret) });
  expect(await push(early.lines[0]!['secret'])).toMatchObject({ exitCode: 0 });
  // The server's own is there as ever.
  expect(await push(server.token)).toMatchObject({ exitCode: 0 });
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const made = await Promise.all(names.map((name) => token('create', name)));
  for (const { lines } of made) expect(await push(lines[0]!['secret'])).toMatchObject({ exitCode: 0 });
  expect((await token('list')).lines.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['first', 'early', ...names]),
  );
  expect(await token('create', 'a')).toMatchObject({ exitCode: 2, last: { code: 'usage' } });
  expect(await token('revoke', 'a', 'nobody')).toMatchObject({ exitCode: 4 });
  await server.stop();
  expect(await token('revoke', 'early', 'a')).toMatchObject({ exitCode: 0, last: { tokens: 2 } });
  await server.start();
  expect(await push(early.lines[0]!['secret'])).toMatchObject({ exitCode: 6 });
  expect(await push(made[1]!.lines[0]!['secret'])).toMatchObject({ exitCode: 0 });
  expect(await push(made[0]!.lines[0]!['secret'])).toMatchObject({
    exitCode: 6,
    last: { code: 'unauthenticated' },
  });
});

test('a revoked token stops its push within two seconds, and a new one of the same owner goes on with it', async () => {
  const it = await scene();
  const proxy = await startCuttingProxy({ targetPort: it.server.port, bytesPerSecond: 2 * MIB });
  onTestFinished(() => proxy.close());
  const large = path.join(temporaryDirectory(), 'large');
  const sizeBytes = 16 * MIB;
  writeRandomFile(large, sizeBytes);
  const first = await it.create('monday', '--owner', 'team');
  const url = `http://127.0.0.1:${proxy.port}/large`;
  const args = (tokenFile: string): string[] => [
    'push',
    '--json',
    '--chunk-size',
    '256K',
    '--parallel',
    '2',
    '--token-file',
    tokenFile,
    large,
    url,
  ];
  const run = startCairn(args(first), it.stranger);
  await untilLine(run, (line) => Number(line['bytesDone']) > 2 * MIB);
  expect(await it.token('revoke', 'monday')).toMatchObject({ exitCode: 0 });
  const revokedAtMs = performance.now();
  const result = await run.result;
  const tookMs = performance.now() - revokedAtMs;
  expect(result, result.stderr).toMatchObject({ exitCode: 6, last: { code: 'token-revoked' } });
  expect(tookMs).toBeLessThan(2000);
  expect(existsSync(path.join(it.server.root, 'large'))).toBe(false);
  // Progress belongs to the owner, not to the token.
  const second = await it.create('tuesday', '--owner', 'team');
  const resumed = await cairn(args(second), it.stranger);
  expect(resumed, resumed.stderr).toMatchObject({ exitCode: 0 });
  const [sent, before] = [Number(resumed.last['bytesSent']), Number(resumed.last['bytesResumed'])];
  expect(before).toBeGreaterThan(MIB);
  expect(sent + before).toBe(sizeBytes);
  expect(digestOf(path.join(it.server.root, 'large'))).toBe(digestOf(large));
});

test('a quota says how much is used, and a larger one of the same owner finishes the push', async () => {
  const it = await scene();
  const small = await it.create(
    'small',
    '--owner',
    'alice',
    '--quota-bytes',
    '1500K',
    '--quota-sessions',
    '3',
  );
  expect(await it.push(small, '/a')).toMatchObject({ exitCode: 0 });
  const refused = await it.push(small, '/b');
  expect(refused).toMatchObject({ exitCode: 6, last: { code: 'quota-exceeded' } });
  expect(refused.last['message']).toContain('may push 1.46 MiB in all: 1.00 MiB were published');
  // Nothing is left of what was refused: it does not use up the sessions.
  for (let round = 0; round < 4; round++)
    expect((await it.push(small, '/b')).last['message']).toContain('unfinished transfers have 0 B');
  const listed = (await it.token('list', '--json')).lines.find(({ name }) => name === 'small');
  expect(listed).toMatchObject({
    quota: { bytes: 1500 * 1024, sessions: 3 },
    use: { bytes: MIB, sessions: 0 },
  });
  await it.server.kill();
  await it.server.start();
  expect(await it.push(small, '/b')).toMatchObject({ exitCode: 6 });
  const large = await it.create('large', '--owner', 'alice', '--quota-bytes', '10M');
  expect(await it.push(large, '/b')).toMatchObject({ exitCode: 0 });
});

test('a limit for every owner is a setting of the server', async () => {
  const server = await startDiskServer({ extraArgs: ['--limit', 'sessions-per-owner=1'] });
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: MIB / 4 });
  onTestFinished(() => proxy.close());
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 8 * MIB);
  const environment = (): CliEnvironment => ({ stateHome: temporaryDirectory(), token: server.token });
  const small = ['--chunk-size', '64K', '--parallel', '2'];
  const run = startCairn(
    ['push', '--json', ...small, file, `http://127.0.0.1:${proxy.port}/a`],
    environment(),
  );
  await untilLine(run, (line) => Number(line['bytesDone']) > 0);
  const second = await cairn(['push', '--json', file, `${server.url}/b`], environment());
  expect(second).toMatchObject({ exitCode: 6, last: { code: 'quota-exceeded' } });
  expect(second.last['message']).toContain('one owner may have 1 unfinished transfers');
});

test('a grant lets a client without an account push below one path, until it is revoked, and nothing else', async () => {
  const it = await scene();
  const owner = await it.create('owner', '--path', '/inbox');
  const grantFile = path.join(temporaryDirectory(), 'bob.grant');
  const grant = (...words: string[]): Promise<CliResult> =>
    cairn(['grant', '--json', '--token-file', owner, ...words], it.stranger);
  const url = `${it.server.url}/inbox/bob`;
  const made = await grant(url, '--push', '--expires', '1h', '--max-bytes', '2500K', '--out', grantFile);
  expect(made, made.stderr).toMatchObject({ exitCode: 0 });
  expect(made.lines[0]).toMatchObject({ type: 'grant', target: '/inbox/bob', url, grantFile });
  expect(statSync(grantFile).mode & 0o777).toBe(0o600);
  expect(await grant(url, '--push', '--out', grantFile)).toMatchObject({ exitCode: 2 });
  expect(await grant(`${it.server.url}/other`, '--push')).toMatchObject({ exitCode: 6 });
  // The holder of a grant needs nothing else, and can resume its transfers.
  expect(await it.push(grantFile, '/inbox/bob/a')).toMatchObject({ exitCode: 0 });
  expect(await it.push(grantFile, '/inbox/bob')).toMatchObject({
    exitCode: 6,
    last: { code: 'destination-exists' },
  });
  for (const target of ['/inbox/alice', '/inbox', '/inbox/bobby', '/'])
    expect(await it.push(grantFile, target)).toMatchObject({ exitCode: 6, last: { code: 'forbidden' } });
  const pull = ['pull', '--json', '--token-file', grantFile, `${url}/a`, temporaryDirectory()];
  expect(await cairn(pull, it.stranger)).toMatchObject({ exitCode: 6, last: { code: 'forbidden' } });
  expect(await it.push(grantFile, '/inbox/bob/b')).toMatchObject({ exitCode: 0 });
  expect(await it.push(grantFile, '/inbox/bob/c')).toMatchObject({
    exitCode: 6,
    last: { code: 'quota-exceeded', message: expect.stringContaining('the transfer grant may push') },
  });
  const text = readFileSync(grantFile, 'utf8').trim();
  const [head, body, signature = ''] = text.split('.');
  const claims = JSON.parse(Buffer.from(body!, 'base64url').toString()) as object;
  const forged = Buffer.from(JSON.stringify({ ...claims, path: '' })).toString('base64url');
  const tampered: CliEnvironment = { ...it.stranger, token: `${head}.${forged}.${signature}` };
  expect(await cairn(['push', '--json', it.file, `${it.server.url}/x`], tampered)).toMatchObject({
    exitCode: 6,
    last: { code: 'unauthenticated' },
  });
  const id = String(made.lines[0]!['id']);
  expect((await grant(it.server.url, '--list')).lines[0]).toMatchObject({ id, state: 'valid' });
  expect(await grant(it.server.url, '--revoke', id)).toMatchObject({ exitCode: 0 });
  expect(await it.push(grantFile, '/inbox/bob/d')).toMatchObject({
    exitCode: 6,
    last: { code: 'token-revoked' },
  });
});

test('a revoked grant stops its transfers within two seconds, and so does its token', async () => {
  const it = await scene();
  const large = path.join(temporaryDirectory(), 'large');
  writeRandomFile(large, 16 * MIB);
  const owner = await it.create('owner');
  for (const [target, end] of [
    [
      '/a',
      (id: string) => cairn(['grant', '--revoke', id, '--token-file', owner, it.server.url], it.stranger),
    ],
    ['/b', () => it.token('revoke', 'owner')],
  ] as const) {
    // A link of its own: what the first one has begun to send is still on its way.
    const proxy = await startCuttingProxy({ targetPort: it.server.port, bytesPerSecond: MIB });
    onTestFinished(() => proxy.close());
    const through = `http://127.0.0.1:${proxy.port}`;
    const asked = ['grant', '--json', '--push', '--token-file', owner, `${it.server.url}${target}`];
    const [made] = (await cairn(asked, it.stranger)).lines;
    const holder = { stateHome: temporaryDirectory(), token: String(made!['grant']) };
    // Few chunks on their way, however slow the machine.
    const words = ['--json', '--chunk-size', '256K', '--parallel', '4'];
    const run = startCairn(['push', ...words, large, `${through}${target}`], holder);
    await untilLine(run, (line) => Number(line['bytesDone']) > MIB / 2);
    expect(await end(String(made!['id']))).toMatchObject({ exitCode: 0 });
    const endedAtMs = performance.now();
    expect(await run.result).toMatchObject({ exitCode: 6, last: { code: 'token-revoked' } });
    expect(performance.now() - endedAtMs).toBeLessThan(2000);
  }
});

test('no secret is in a log, a message, or a file that others may read', async () => {
  const it = await scene();
  const owner = await it.create('owner', '--quota-bytes', '10M');
  const grantFile = path.join(temporaryDirectory(), 'grant');
  const asked = ['grant', '--push', '--token-file', owner, '--out', grantFile, `${it.server.url}/in`];
  const runs = [
    await cairn(asked, it.stranger),
    await it.push(owner, '/a'),
    await it.push(grantFile, '/in/a'),
    await it.push(grantFile, '/elsewhere'),
    await it.token('list'),
    await it.token('list', '--json'),
    await it.token('revoke', 'owner'),
    await it.push(owner, '/b'),
    await it.push(grantFile, '/in/b'),
  ];
  const worker = await it.create('worker');
  const workerGrant = path.join(temporaryDirectory(), 'grant');
  const asking = ['grant', '--push', '--token-file', worker, '--out', workerGrant, `${it.server.url}/in`];
  expect(await cairn(asking, it.stranger)).toMatchObject({ exitCode: 0 });
  const files = [owner, grantFile, worker, workerGrant];
  const secrets = files.map((name) => readFileSync(name, 'utf8').trim());
  const key = readFileSync(path.join(it.server.root, '.cairn/grant-key'), 'utf8').trim();
  const large = path.join(temporaryDirectory(), 'large');
  writeRandomFile(large, 4 * MIB);
  for (const [name, target] of [
    [worker, '/slow'],
    [workerGrant, '/in/slow'],
  ] as const) {
    // What whoever lists the processes sees of a client at work, and of its server.
    const words = ['push', '--json', '--bwlimit', '1M', '--token-file', name, large];
    const run = startCairn([...words, `${it.server.url}${target}`], it.stranger);
    await untilLine(run, (line) => Number(line['bytesDone']) > 0);
    for (const pid of [run.child.pid, it.server.pid()]) {
      const seen = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1'));
      expect(seen[0]).toContain(pid === run.child.pid ? '--token-file' : 'serve');
      for (const secret of [...secrets, key]) for (const text of seen) expect(text).not.toContain(secret);
    }
    expect((await run.result).exitCode).toBe(0);
  }
  for (const { stdout, stderr } of runs) {
    for (const secret of [...secrets, key]) expect(stdout.toString() + stderr).not.toContain(secret);
  }
  for (const { name, text, mode } of remains(it.server)) {
    expect([name, mode & 0o077]).toEqual([name, 0]);
    for (const secret of secrets) expect(text.includes(secret) ? name : '').toBe('');
    if (!name.endsWith('grant-key')) expect(text).not.toContain(key);
  }
  for (const hash of JSON.stringify(runs.map(({ stdout }) => stdout.toString())).matchAll(/[0-9a-f]{64}/g))
    expect(readFileSync(path.join(it.server.root, '.cairn/tokens.json'), 'utf8')).not.toContain(hash[0]);
});

test('a first token that is revoked is no longer accepted, nor found by clients of the same user', async () => {
  const it = await scene();
  const secret = it.server.token;
  expect(await it.token('revoke', 'first')).toMatchObject({ exitCode: 0 });
  expect(existsSync(path.join(it.server.root, '.cairn/token'))).toBe(false);
  const push = ['push', '--json', it.file, `${it.server.url}/a`];
  const ls = ['ls', '--json', `${it.server.url}/`];
  const isKnown = async (): Promise<boolean> =>
    (await cairn(ls, { ...it.stranger, token: secret })).exitCode !== 6;
  while (await isKnown()) await sleep(50);
  expect(await cairn(push, { ...it.stranger, token: secret })).toMatchObject({ exitCode: 6 });
  // A client of the same user finds the server, and no token of it.
  expect(await cairn(push, { stateHome: it.server.stateHome })).toMatchObject({
    exitCode: 6,
    last: { code: 'unauthenticated' },
  });
});

test.runIf(process.getuid?.() === 0)(
  'cairn token create leaves the state of another user alone (needs root)',
  async () => {
    const state = path.join(temporaryDirectory(), 'state');
    mkdirSync(state);
    chmodSync(state, 0o700);
    chownSync(state, 12_345, 12_345);
    const made = await cairn(['token', 'create', 'x', '--state', state], { stateHome: temporaryDirectory() });
    expect(made).toMatchObject({ exitCode: 9 });
    expect(made.stderr).toContain("sudo -u '#12345'");
    expect(readdirSync(state)).toEqual([]);
  },
);
