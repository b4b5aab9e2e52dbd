import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Proxy } from '../../../src/client/api/reach.ts';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProcessIdentity, ProcessInspector } from '../../../src/base/process-identity.ts';
import { clientAccess, readTokenFile, type TokenSources } from '../../../src/cli/access/client-token.ts';
import { findServers, registerServer } from '../../../src/cli/access/server-registry.ts';
import { ensurePrivateDirectory, stateHomeOf } from '../../../src/cli/access/user-directories.ts';
import { canChown, STRANGER } from '../../support/requirements.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-token-'));
});
afterEach(() => rmSync(home, { recursive: true }));

function fileWith(text: string, mode = 0o600): string {
  const path = join(home, 'token');
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

/** Processes that live or not as the test says. */
function processes(pid: number, alive: () => boolean): ProcessInspector {
  const self: ProcessIdentity = { pid, startTime: String(pid), bootId: 'boot' };
  return { self: () => self, isAlive: alive };
}

const here = (port: number, host = '127.0.0.1') => ({
  host,
  port,
  url: `http://${host}:${port}/`,
  tokenFile: join(home, 'token'),
  key: 'secret',
});

describe('token files', () => {
  it('a token file is read without the newline that an editor left', async () => {
    await expect(readTokenFile(fileWith('secret-1\n'))).resolves.toBe('secret-1');
  });

  it('a token file that others may read is refused, with the command that helps', async () => {
    const path = fileWith('secret', 0o640);
    await expect(readTokenFile(path)).rejects.toMatchObject({
      code: 'token-unreadable',
      message: expect.stringContaining(`chmod 600 ${path}`) as string,
    });
  });

  it.each(['', '\n', 'two words', 'two\nlines', 'bell\u0007', 'é', 'x'.repeat(20_000)])(
    'a token file is refused with %j in it',
    async (text) => {
      await expect(readTokenFile(fileWith(text))).rejects.toMatchObject({ code: 'token-unreadable' });
    },
  );

  it('a token file that is missing or a directory is refused', async () => {
    await expect(readTokenFile(join(home, 'none'))).rejects.toMatchObject({ code: 'token-unreadable' });
    mkdirSync(join(home, 'dir'), { mode: 0o700 });
    await expect(readTokenFile(join(home, 'dir'))).rejects.toMatchObject({ code: 'token-unreadable' });
  });
});

it.skipIf(!canChown)('a token file of another user is not used, not even by root (needs root)', async () => {
  const path = fileWith('secret');
  chownSync(path, STRANGER, STRANGER);
  await expect(readTokenFile(path)).rejects.toMatchObject({ code: 'token-unreadable' });
});

describe('tokens of a client', () => {
  const url = new URL('http://localhost:7070/x');
  const sources = { stateHome: '', url, proxy: undefined, tokenFile: undefined };

  it('a client takes its token from the file, else from the environment', async () => {
    const tokenFile = fileWith('from-file');
    const env = { CAIRN_TOKEN: ' from-env\n' };
    await expect(clientAccess({ ...sources, tokenFile, env }).token()).resolves.toBe('from-file');
    await expect(clientAccess({ ...sources, env }).token()).resolves.toBe('from-env');
  });

  it('a client takes no token of a local server before it has reached that server, nor through a proxy', async () => {
    fileWith('from-file');
    const unregister = await registerServer(home, here(7070));
    const proxy = { url: new URL('http://127.0.0.1:1'), authorization: undefined };
    for (const way of [proxy, undefined]) {
      const { token } = clientAccess({ ...sources, stateHome: home, env: {}, proxy: way });
      await expect(token()).resolves.toBeUndefined();
    }
    await unregister();
  });

  it('a client refuses a value in the environment that is no token', async () => {
    const { token } = clientAccess({ ...sources, env: { CAIRN_TOKEN: 'a\nb' } });
    await expect(token()).rejects.toMatchObject({ code: 'token-unreadable' });
  });
});

describe('servers of a user', () => {
  it('a local server is found by its port under every name of this machine, and under no other', async () => {
    await registerServer(home, here(7070));
    for (const host of ['localhost', '127.0.0.1', '[::1]']) {
      const found = await findServers(home, new URL(`http://${host}:7070/`));
      expect(found).toMatchObject([{ host: '127.0.0.1', port: 7070, key: 'secret' }]);
    }
    for (const word of ['http://localhost:7071/', 'http://10.0.0.1:7070/', 'http://localhost/']) {
      await expect(findServers(home, new URL(word))).resolves.toEqual([]);
    }
  });

  it('a local server is entered for its owner only, and its entry is removed again', async () => {
    const unregister = await registerServer(home, here(7070, '::1'));
    const [name = ''] = readdirSync(join(home, 'servers'));
    const path = join(home, 'servers', name);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await unregister();
    await unregister();
    expect(existsSync(path)).toBe(false);
  });

  it('a local server that is dead does not count, since another may have its port', async () => {
    let alive = true;
    const inspect = processes(4711, () => alive);
    await registerServer(home, here(7070), { inspect });
    const url = new URL('http://127.0.0.1:7070/');
    await expect(findServers(home, url, inspect)).resolves.toHaveLength(1);
    alive = false;
    await expect(findServers(home, url, inspect)).resolves.toEqual([]);
  });

  it.skipIf(!canChown)(
    'a local server that another user has entered does not count (needs root)',
    async () => {
      await registerServer(home, here(7070));
      const [name = ''] = readdirSync(join(home, 'servers'));
      chownSync(join(home, 'servers', name), STRANGER, STRANGER);
      await expect(findServers(home, new URL('http://127.0.0.1:7070/'))).resolves.toEqual([]);
    },
  );

  it('entering a local server removes what killed servers began to write long ago', async () => {
    mkdirSync(join(home, 'servers'));
    const left = join(home, 'servers', '.cairn-00ff.tmp');
    writeFileSync(left, 'cut');
    await registerServer(home, here(7070));
    expect(existsSync(left)).toBe(true);
    utimesSync(left, 1, 1);
    await registerServer(home, here(7070));
    expect(existsSync(left)).toBe(false);
  });

  it('a damaged entry of a local server is ignored', async () => {
    mkdirSync(join(home, 'servers'));
    writeFileSync(join(home, 'servers', 'x_7070.json'), '{"pid":');
    writeFileSync(join(home, 'servers', 'y_7070.json'), '{"pid":1,"startTime":"","bootId":""}');
    await expect(findServers(home, new URL('http://127.0.0.1:7070/'))).resolves.toEqual([]);
  });
});

describe('the state directory', () => {
  it('the state directory is CAIRN_STATE_HOME, else below XDG_STATE_HOME, else below home', () => {
    expect(stateHomeOf({ CAIRN_STATE_HOME: '/a', XDG_STATE_HOME: '/b' }, '/home/u')).toBe('/a');
    expect(stateHomeOf({ XDG_STATE_HOME: '/b' }, '/home/u')).toBe('/b/cairn');
    expect(() => stateHomeOf({ CAIRN_STATE_HOME: '' }, '/home/u')).toThrow(
      /CAIRN_STATE_HOME is set and empty/,
    );
    expect(stateHomeOf({ XDG_STATE_HOME: 'relative' }, '/home/u')).toBe('/home/u/.local/state/cairn');
    expect(stateHomeOf({}, '/home/u')).toBe('/home/u/.local/state/cairn');
  });

  it('the state directory is made for its owner only, or made so', async () => {
    const path = join(home, 'a', 'b');
    await ensurePrivateDirectory(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    chmodSync(path, 0o755);
    await ensurePrivateDirectory(path);
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });
});

describe('tokens on a line that others can read', () => {
  const sources = (url: string, more: Partial<TokenSources> = {}): TokenSources => ({
    tokenFile: undefined,
    env: { CAIRN_TOKEN: 'secret', XDG_CONFIG_HOME: home },
    stateHome: home,
    url: new URL(url),
    proxy: undefined,
    ...more,
  });
  const proxyAt = (url: string): Proxy => ({ url: new URL(url), authorization: undefined });

  it.each([
    ['http://files.example/x', undefined],
    ['http://192.0.2.1:7070/x', undefined],
    ['http://[2001:db8::1]/x', undefined],
    ['http://0.0.0.0/x', undefined],
    ['http://localhost.evil.example/x', undefined],
    ['http://127.0.0.1.evil.example/x', undefined],
    ['http://files.example/x', 'http://127.0.0.1:3128'],
    ['http://127.0.0.1:7070/x', 'http://proxy.example:3128'],
  ])('a token is not shown to %s (proxy: %s), unless that is asked', async (url, proxy) => {
    const way = proxy === undefined ? {} : { proxy: proxyAt(proxy) };
    await expect(clientAccess(sources(url, way)).token()).rejects.toMatchObject({
      code: 'insecure-connection',
      message: expect.stringMatching(/https:\/\/.*--insecure-http/) as string,
    });
    await expect(clientAccess(sources(url, { ...way, insecureHttp: true })).token()).resolves.toBe('secret');
  });

  it.each([
    ['https://files.example/x', undefined],
    ['https://files.example/x', 'http://proxy.example:3128'],
    ['http://127.0.0.1:7070/x', undefined],
    ['http://127.9.9.9/x', undefined],
    ['http://[::1]:7070/x', undefined],
    ['http://localhost/x', 'http://localhost:3128'],
  ])('a token is shown to %s (proxy: %s)', async (url, proxy) => {
    const way = proxy === undefined ? {} : { proxy: proxyAt(proxy) };
    await expect(clientAccess(sources(url, way)).token()).resolves.toBe('secret');
  });

  it('a client without a token may use a line that others can read', async () => {
    const none = { env: { XDG_CONFIG_HOME: home } };
    await expect(clientAccess(sources('http://files.example/x', none)).token()).resolves.toBeUndefined();
  });
});
