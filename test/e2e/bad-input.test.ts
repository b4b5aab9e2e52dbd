import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cairn, type CliEnvironment } from '../support/cli.ts';
import { canMount, mountTmpfs, obeyingPermissions } from '../support/requirements.ts';
import { startDiskServer, type TestServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { freePort } from '../support/free-port.ts';

const MIB = 1024 * 1024;

async function scene(): Promise<{
  server: TestServer;
  root: string;
  source: string;
  file: string;
  environment: CliEnvironment;
}> {
  const root = temporaryDirectory();
  const server = await startDiskServer({ root });
  const source = temporaryDirectory();
  const file = path.join(source, 'file');
  writeFileSync(file, 'content');
  return {
    server,
    root,
    source,
    file,
    environment: { stateHome: temporaryDirectory(), token: server.token },
  };
}

describe('usage', () => {
  test.each([
    [['push'], 'URL'],
    [['push', 'file'], 'URL'],
    [['push', 'file', 'ftp://host/x'], 'http'],
    [['push', 'file', 'http://user:secret@127.0.0.1:1/x'], '--token-file'],
    [['push', 'file', 'http://127.0.0.1:1/x', '--chunk-size', '3'], '--chunk-size'],
    [['push', 'file', 'http://127.0.0.1:1/x', '--parallel', '0'], '--parallel'],
    [['push', 'file', 'http://127.0.0.1:1/x', '--retry-for', 'soon'], '--retry-for'],
    [['push', 'file', 'http://127.0.0.1:1/x', '--no-such-option'], '--no-such-option'],
    [['fetch'], 'fetch'],
    [['serve', '--listen', '0.0.0.0:0', '--root', '/tmp'], '--insecure-listen'],
  ])('cairn %j exits with 2 and names what is wrong', async (args, named) => {
    const result = await cairn(args, { stateHome: temporaryDirectory() });
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain(named);
    expect(result.stderr).not.toContain('secret');
  });
});

describe('servers that do not serve', () => {
  test('a client waits for a server that is not there for --retry-for, then exits with 5', async () => {
    const { file, environment } = await scene();
    const port = await freePort();
    const result = await cairn(
      ['push', '--retry-for', '1s', file, `http://127.0.0.1:${port}/x`],
      environment,
    );
    expect(result.exitCode).toBe(5);
    expect(result.stderr).toContain(`127.0.0.1:${port}`);
  });

  test('a client exits with 2 at a web server that is not a cairn server', async () => {
    const { file, environment } = await scene();
    const other = createServer((_, response) => response.end('hello'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const result = await cairn(['push', file, `http://127.0.0.1:${port}/x`], environment);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain('cairn');
  });

  test('a client refuses a redirect, and its token does not follow it', async () => {
    const { file, environment } = await scene();
    const seen: string[] = [];
    const thief = createServer((request, response) => {
      seen.push(request.headers.authorization ?? 'none');
      response.end();
    });
    await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
    const { port: thiefPort } = thief.address() as { port: number };
    const other = createServer((_, response) =>
      response.writeHead(302, { location: `http://localhost:${thiefPort}/` }).end(),
    );
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      other.close();
      thief.close();
    });
    const { port } = other.address() as { port: number };
    const result = await cairn(['push', file, `http://127.0.0.1:${port}/x`], environment);
    expect(result.exitCode).toBe(2);
    expect(seen).toEqual([]);
  });

  test('a client refuses a protocol of another major version by name', async () => {
    const { file, environment } = await scene();
    const other = createServer((request, response) => {
      response.setHeader('link', '</.cairn/v1/>; rel="urn:cairn:protocol"');
      const hello = { server: 'cairn', version: '9.0.0', protocol: { major: 9, minor: 0 } };
      response.setHeader('content-type', 'application/json');
      response.end(request.method === 'HEAD' ? undefined : JSON.stringify(hello));
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const result = await cairn(['push', file, `http://127.0.0.1:${port}/x`], environment);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain('version');
  });

  test('a client with a wrong token exits with 6 and says where tokens come from', async () => {
    const { server, file, environment } = await scene();
    const result = await cairn(['push', file, `${server.url}/x`], { ...environment, token: 'wrong' });
    expect(result.exitCode).toBe(6);
    expect(result.stderr).toContain('CAIRN_TOKEN');
  });
});

describe('targets', () => {
  test.each(['/a/%2e%2e/%2e%2e/etc/x', '/a%2fb', '/a%00b', '/.cairn/token', '/a/.cairn/x', '/a//b'])(
    'a push refuses the target %s',
    async (target) => {
      const { server, root, file, environment } = await scene();
      const result = await cairn(['push', file, `${server.url}${target}`], environment);
      expect([2, 6]).toContain(result.exitCode);
      expect(readdirSync(root).toSorted()).toEqual(['.cairn']);
    },
  );

  test('a push does not follow a symlink in its target out of the root', async () => {
    const { server, root, file, environment } = await scene();
    const outside = temporaryDirectory();
    symlinkSync(outside, path.join(root, 'out'));
    const result = await cairn(['push', file, `${server.url}/out/file`], environment);
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain('out');
    expect(readdirSync(outside)).toEqual([]);
  });

  test('a pull does not follow a symlink in its destination out of it', async () => {
    const { server, source, environment } = await scene();
    mkdirSync(path.join(source, 'sub'));
    writeFileSync(path.join(source, 'sub/inner'), 'x');
    await cairn(['push', source, `${server.url}/tree`], environment);
    const outside = temporaryDirectory();
    const destination = temporaryDirectory();
    symlinkSync(outside, path.join(destination, 'sub'));
    const result = await cairn(['pull', `${server.url}/tree`, destination], environment);
    expect(result.exitCode).toBe(3);
    expect(result.stderr).toContain('sub');
    expect(readdirSync(outside)).toEqual([]);
    expect(readFileSync(path.join(destination, 'file'), 'utf8')).toBe('content');
  });

  test('a push names a full directory in the place of a file, and a file in the place of its target', async () => {
    const { server, root, source, file, environment } = await scene();
    mkdirSync(path.join(root, 'directory/file/mine'), { recursive: true });
    writeFileSync(path.join(root, 'plain'), '');
    const onto = await cairn(['push', file, `${server.url}/directory`], environment);
    expect(onto.exitCode).toBe(2);
    expect(onto.stderr).toMatch(/directory/);
    const inside = await cairn(['push', source, `${server.url}/directory`], environment);
    expect(inside.exitCode).toBe(3);
    expect(inside.stderr).toContain('file');
    const below = await cairn(['push', source, `${server.url}/plain`], environment);
    expect(below.exitCode).toBe(2);
    expect(below.stderr).toContain('plain');
    expect(existsSync(path.join(root, 'directory/file/mine'))).toBe(true);
  });

  test('a pull of a missing file exits with 4', async () => {
    const { server, environment } = await scene();
    const result = await cairn(
      ['pull', `${server.url}/nothing`, path.join(temporaryDirectory(), 'x')],
      environment,
    );
    expect(result.exitCode).toBe(4);
    expect(result.stderr).toContain('nothing');
  });
});

describe('sources', () => {
  test('a push of a missing source exits with 4', async () => {
    const { server, environment } = await scene();
    const result = await cairn(['push', '/no/such/source', `${server.url}/x`], environment);
    expect(result.exitCode).toBe(4);
    expect(result.stderr).toContain('/no/such/source');
  });

  test('a push names names that are not UTF-8 and entries that are no files, and the rest arrives', async () => {
    const { server, root, source, environment } = await scene();
    writeFileSync(Buffer.concat([Buffer.from(`${source}/bad`), Buffer.from([0xff, 0xfe])]), 'x');
    spawnSync('mkfifo', [path.join(source, 'fifo')]);
    const result = await cairn(['push', '--json', source, `${server.url}/tree`], environment);
    expect(result).toMatchObject({ exitCode: 3, last: { type: 'summary', exitCode: 3 } });
    const warned = result.lines
      .filter((line) => line['type'] === 'warning')
      .map((line) => String(line['path']));
    expect(warned.some((name) => name.includes('fifo'))).toBe(true);
    expect(warned.some((name) => name.includes('\\xff\\xfe'))).toBe(true);
    expect(readFileSync(path.join(root, 'tree/file'), 'utf8')).toBe('content');
    expect(readdirSync(path.join(root, 'tree'))).toEqual(['file']);
  });

  test.skipIf(obeyingPermissions === undefined)(
    'a push names a file that cannot be read, and the rest arrives (root needs setpriv for it)',
    async () => {
      const { server, root, source, environment } = await scene();
      const secret = path.join(source, 'unreadable');
      writeFileSync(secret, 'x');
      chmodSync(secret, 0);
      mkdirSync(path.join(source, 'closed'));
      writeFileSync(path.join(source, 'closed/inner'), 'x');
      chmodSync(path.join(source, 'closed'), 0);
      const push = ['push', '--json', source, `${server.url}/tree`];
      const result = await cairn(push, { ...environment, before: obeyingPermissions! });
      chmodSync(path.join(source, 'closed'), 0o700);
      expect(result, result.stderr).toMatchObject({ exitCode: 3, last: { code: 'partial' } });
      const warned = result.lines
        .filter((line) => line['type'] === 'warning')
        .map((line) => String(line['path']));
      expect(warned.toSorted()).toEqual(['closed', 'unreadable']);
      expect(readdirSync(path.join(root, 'tree')).toSorted()).toEqual(['closed', 'file']);
    },
  );

  test('a push names a .cairn directory of its source, which it does not carry', async () => {
    const { server, source, environment } = await scene();
    mkdirSync(path.join(source, 'sub/.cairn'), { recursive: true });
    writeFileSync(path.join(source, 'sub/.cairn/token'), 'secret');
    const result = await cairn(['push', '--json', source, `${server.url}/tree`], environment);
    expect(result.exitCode).toBe(3);
    expect(result.stdout.toString()).toContain('sub/.cairn');
  });
});

describe('full disks', () => {
  test.skipIf(!canMount)(
    'a push to a server with a full disk exits with 9, and goes on once there is room (needs root)',
    async () => {
      const root = temporaryDirectory();
      mountTmpfs(root, 8 * MIB);
      const server = await startDiskServer({ root });
      const environment = { stateHome: temporaryDirectory(), token: server.token };
      const file = path.join(temporaryDirectory(), 'file');
      writeRandomFile(file, 16 * MIB);
      const push = ['push', '--json', '--chunk-size', '1M', file, `${server.url}/file`];
      const full = await cairn(push, environment);
      expect(full).toMatchObject({ exitCode: 9, last: { code: 'storage-full' } });
      expect(spawnSync('mount', ['-o', `remount,size=${40 * MIB}`, root]).status).toBe(0);
      const again = await cairn(push, environment);
      expect(again, again.stderr).toMatchObject({ exitCode: 0 });
      expect(readFileSync(path.join(root, 'file')).equals(readFileSync(file))).toBe(true);
    },
  );

  test.skipIf(!canMount)(
    'a pull to a full disk exits with 9, and goes on once there is room (needs root)',
    async () => {
      const { server, root, environment } = await scene();
      writeRandomFile(path.join(root, 'large'), 16 * MIB);
      const destination = temporaryDirectory();
      mountTmpfs(destination, 8 * MIB);
      const pull = [
        'pull',
        '--json',
        '--chunk-size',
        '1M',
        `${server.url}/large`,
        path.join(destination, 'large'),
      ];
      const full = await cairn(pull, environment);
      expect(full).toMatchObject({ exitCode: 9, last: { code: 'storage-full' } });
      expect(spawnSync('mount', ['-o', `remount,size=${40 * MIB}`, destination]).status).toBe(0);
      const again = await cairn(pull, environment);
      expect(again, again.stderr).toMatchObject({ exitCode: 0 });
      expect(readdirSync(destination)).toEqual(['large']);
    },
  );
});

describe('starts of a server', () => {
  test('cairn serve names a port that is in use, a root that is missing and a root that is a file', async () => {
    const { server, file } = await scene();
    const environment = { stateHome: temporaryDirectory() };
    const root = temporaryDirectory();
    const taken = await cairn(['serve', '--root', root, '--listen', `127.0.0.1:${server.port}`], environment);
    expect(taken.exitCode).toBe(2);
    expect(taken.stderr).toContain(String(server.port));
    const missing = await cairn(['serve', '--root', '/no/such/root', '--listen', '127.0.0.1:0'], environment);
    expect(missing.exitCode).toBe(4);
    expect(missing.stderr).toContain('/no/such/root');
    const plain = await cairn(['serve', '--root', file, '--listen', '127.0.0.1:0'], environment);
    expect(plain.exitCode).toBe(2);
  });

  test('cairn serve refuses to be a second server on the same state', async () => {
    const { root } = await scene();
    const second = await cairn(['serve', '--root', root, '--listen', '127.0.0.1:0'], {
      stateHome: temporaryDirectory(),
    });
    expect(second.exitCode).toBe(8);
  });
});
