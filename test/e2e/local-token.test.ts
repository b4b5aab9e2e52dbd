/** The token of a server of the same user is found by its clients, and is shown to that server only. */
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliRun } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

interface Scene {
  readonly root: string;
  readonly port: number;
  readonly environment: CliEnvironment;
  /** The token that only the server may see. */
  secret(): string;
  /** Starts the server, and answers when it listens. */
  serve(host?: string): Promise<CliRun>;
}

async function scene(): Promise<Scene> {
  const home = temporaryDirectory();
  const root = path.join(home, 'root');
  mkdirSync(root);
  writeFileSync(path.join(root, 'file'), 'bytes');
  const environment = { stateHome: path.join(home, 'state') };
  const port = await freePort();
  return {
    root,
    port,
    environment,
    secret: () => readFileSync(path.join(root, '.cairn/token'), 'utf8').trim(),
    serve: async (host = '127.0.0.1') => {
      const run = startCairn(['serve', '--root', root, '--listen', `${host}:${port}`, '--json'], environment);
      await untilLine(run, ({ type }) => type === 'listening');
      return run;
    },
  };
}

/** Listens until the test ends; undefined where this machine has no such address, or somebody has the port there. */
async function listenAt(server: Server, port: number, host: string): Promise<boolean> {
  server.listen(port, host);
  onTestFinished(() => void server.close());
  return once(server, 'listening').then(
    () => true,
    () => false,
  );
}

/** Passes everything on to 127.0.0.1, and keeps what came. */
function relay(port: number): { server: Server; seen: () => string } {
  let text = '';
  const server = createServer((socket) => {
    const onward = connect(port, '127.0.0.1');
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
    socket.pipe(onward).pipe(socket);
    for (const end of [socket, onward]) end.on('error', () => undefined);
  });
  return { server, seen: () => text };
}

/** Says that it is a cairn server, wants a token for everything, and keeps what is shown to it. */
function impostor(): { server: Server; seen: () => string } {
  let text = '';
  const server = createHttpServer((request, response) => {
    text += `${request.method} ${request.url} ${JSON.stringify(request.headers)}\n`;
    const hello = JSON.stringify({ server: 'cairn', version: '0', protocol: { major: 1, minor: 0 } });
    const isGreeting = request.method === 'HEAD' || request.url === '/.cairn/v1/';
    response.writeHead(isGreeting ? 200 : 401, {
      'link': '</.cairn/v1/>; rel="urn:cairn:protocol"',
      'cairn-hello': hello,
      'cairn-proof': 'A'.repeat(43),
      'content-type': isGreeting ? 'application/json' : 'application/problem+json',
    });
    response.end(isGreeting ? hello : '{"code":"unauthenticated","detail":"a token, please"}');
  });
  return { server, seen: () => text };
}

describe('the token of a server of the same user', () => {
  it.each(['127.0.0.1', 'localhost'])(
    'a client that is given no token uses that of the server of its user, by the name %s',
    async (host) => {
      const { port, environment, serve } = await scene();
      await serve();
      const { exitCode, stdout, stderr } = await cairn(['ls', `http://${host}:${port}/`], environment);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      expect(stdout.toString()).toContain('file');
    },
  );

  it('a client that was there before the server of its user uses its token', async () => {
    const { root, port, environment, serve } = await scene();
    const source = path.join(path.dirname(root), 'source');
    writeRandomFile(source, 3 * 1024 * 1024);
    const url = `http://127.0.0.1:${port}/pushed`;
    const before = createServer((socket) => socket.destroy());
    expect(await listenAt(before, port, '127.0.0.1')).toBe(true);
    const push = startCairn(['push', '--json', source, url], environment);
    // It has met somebody who hangs up, and goes on trying.
    await once(before, 'connection');
    before.close();
    await once(before, 'close');
    await serve();
    const { exitCode, stderr } = await push.result;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  });

  it.each(['127.0.0.2', '::1'])(
    'a client does not show the token to another process that has the port of its server at %s',
    async (host) => {
      const { port, environment, secret, serve } = await scene();
      await serve();
      const { server, seen } = impostor();
      if (!(await listenAt(server, port, host))) return;
      const name = host.includes(':') ? `[${host}]` : host;
      const { exitCode } = await cairn(['ls', `http://${name}:${port}/`], environment);
      expect(exitCode).toBe(6);
      expect(seen()).toContain('GET');
      expect(seen()).not.toContain(secret());
    },
  );

  it('a client does not show the token to a process that passes the proof on from another address', async () => {
    const { port, environment, secret, serve } = await scene();
    await serve();
    const { server, seen } = relay(port);
    if (!(await listenAt(server, port, '127.0.0.2'))) return;
    // As if the same server had been entered for that address, too.
    const servers = path.join(environment.stateHome, 'servers');
    const [entry = ''] = readdirSync(servers);
    const text = readFileSync(path.join(servers, entry), 'utf8').replace(
      '"host":"127.0.0.1"',
      '"host":"127.0.0.2"',
    );
    copyFileSync(path.join(servers, entry), path.join(servers, `127.0.0.2_${port}.json`));
    writeFileSync(path.join(servers, `127.0.0.2_${port}.json`), text);
    const { exitCode } = await cairn(['ls', '--retry-for', '1s', `http://127.0.0.2:${port}/`], environment);
    expect(exitCode).not.toBe(0);
    expect(seen().toLowerCase()).toContain('cairn-challenge');
    expect(seen()).not.toContain(secret());
    expect(seen().toLowerCase()).not.toContain('authorization');
  });

  it('a client does not show the token to a process that takes over the port of a killed server', async () => {
    const { root, port, environment, secret, serve } = await scene();
    writeRandomFile(path.join(root, 'large'), 8 * 1024 * 1024);
    const running = await serve();
    const destination = path.join(path.dirname(root), 'out');
    const url = `http://127.0.0.1:${port}/large`;
    const pull = startCairn(
      ['pull', '--json', '--bwlimit', '2M', '--chunk-size', '1M', '--retry-for', '1s', url, destination],
      environment,
    );
    await untilLine(pull, ({ type, bytesDone }) => type === 'progress' && Number(bytesDone) > 0);
    const token = secret();
    running.child.kill('SIGKILL');
    await running.result;
    const { server, seen } = impostor();
    expect(await listenAt(server, port, '127.0.0.1')).toBe(true);
    const { exitCode, stderr, last } = await pull.result;
    expect({ exitCode, last }).toMatchObject({ exitCode: 5, last: { type: 'error' } });
    expect(stderr + JSON.stringify(last)).toContain('could not prove that it is the server of this user');
    expect(seen()).not.toContain(token);
    expect(seen().toLowerCase()).not.toContain('cairn-credential');
  });
});
