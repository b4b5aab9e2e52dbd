import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TransferEvent } from '../../src/client/api/events.ts';
import { list } from '../../src/client/list.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { issueSecret } from '../../src/session/credential.ts';
import { grant } from '../hostile/support/liar.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene, TOKEN } from './support/scene.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A server of ours that does what it likes. */
async function fake(handler: Handler): Promise<TransferOptions & { readonly events: TransferEvent[] }> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const events: TransferEvent[] = [];
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a/b`),
    token: async () => TOKEN,
    stateHome: temporaryDirectory(),
    retryForMs: 5000,
    signal: new AbortController().signal,
    report: (event) => void events.push(event),
    resumeCommand: ['cairn'],
    events,
  };
}

const PROBLEM = { 'Content-Type': 'application/problem+json' };
const LINK = { Link: '<../.cairn/v1/>; rel="urn:cairn:protocol"' };
const HELLO = JSON.stringify({ server: 'cairn', version: '1', protocol: { major: 1, minor: 0 } });
const json = (response: ServerResponse, value: unknown, status = 200): void =>
  void response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));

describe('discovery', () => {
  test('a server that is no cairn server is named, and asked nothing more', async () => {
    const asked: string[] = [];
    const options = await fake((request, response) => {
      asked.push(`${request.method} ${request.headers.authorization ?? ''}`);
      response.writeHead(200).end();
    });
    expect(await codeOf(list(options, { recursive: false }))).toBe('not-a-cairn-server');
    expect(asked).toEqual(['HEAD ']);
  });

  test('a server that speaks no HTTP at all is named as no cairn server', async () => {
    const server = createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n').on('error', () => {}));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const options = await fake(() => {});
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    expect(await codeOf(list({ ...options, url }, { recursive: false }))).toBe('not-a-cairn-server');
  });

  test.each([301, 307])(
    'a client refuses a redirect (%i), also behind an answer with a Link header',
    async (status) => {
      const plain = await fake(
        (_, response) => void response.writeHead(status, { Location: 'http://elsewhere/' }).end(),
      );
      expect(await codeOf(list(plain, { recursive: false }))).toBe('redirect-refused');
      const later = await fake((request, response) => {
        if (request.method === 'HEAD') response.writeHead(200, LINK).end();
        else if (request.url === '/.cairn/v1/') response.writeHead(200).end(HELLO);
        else response.writeHead(status, { Location: 'http://elsewhere/' }).end();
      });
      expect(await codeOf(list({ ...later, url: new URL('/a/b', later.url) }, { recursive: false }))).toBe(
        'redirect-refused',
      );
    },
  );

  test('a client refuses a protocol root of another origin and an unknown major version', async () => {
    const foreign = await fake(
      (_, response) =>
        void response.writeHead(200, { Link: '<http://evil/.cairn/v1/>; rel="urn:cairn:protocol"' }).end(),
    );
    expect(await codeOf(list(foreign, { recursive: false }))).toBe('not-a-cairn-server');
    const newer = await fake((request, response) => {
      response.writeHead(200, LINK);
      response.end(request.method === 'HEAD' ? '' : HELLO.replace('"major":1', '"major":2'));
    });
    expect(await codeOf(list(newer, { recursive: false }))).toBe('version-unsupported');
    const other = await fake(
      (_, response) =>
        void response.writeHead(200, { Link: '<../.cairn/v7/>; rel="urn:cairn:protocol"' }).end(),
    );
    expect(await codeOf(list(other, { recursive: false }))).toBe('version-unsupported');
  });

  test('a client refuses a URL with a query, and finds a server below a prefix', async () => {
    const scene = await openScene();
    expect(await codeOf(list(scene.options('/a?b'), { recursive: false }))).toBe('usage');
    const target: string[] = [];
    const options = await fake((request, response) => {
      if (request.method === 'HEAD')
        response.writeHead(200, { Link: '<./.cairn/v1/>; rel="urn:cairn:protocol"' }).end();
      else if (request.url === '/a/.cairn/v1/') response.writeHead(200).end(HELLO);
      else {
        target.push(request.url!);
        response.writeHead(404, PROBLEM).end('{"code":"not-found"}');
      }
    });
    expect(await codeOf(list(options, { recursive: true }))).toBe('not-found');
    expect(target).toEqual(['/a/.cairn/v1/tree?path=%2Fb&recursive=1']);
  });
});

describe('access', () => {
  test('a client with a wrong token is refused, and asks for the token once more after a 401', async () => {
    const scene = await openScene();
    writeFileSync(path.join(scene.root, 'file'), 'x');
    expect(
      await codeOf(
        list(scene.options('/', { token: async () => issueSecret().secret }), { recursive: false }),
      ),
    ).toBe('unauthenticated');
    expect(await codeOf(push([scene.root], scene.options('/x', { token: async () => undefined })))).toBe(
      'unauthenticated',
    );
    let asked = 0;
    const token = async (): Promise<string> => (asked++ === 0 ? 'old' : TOKEN);
    expect((await list(scene.options('/', { token }), { recursive: false })).entries.length).toBe(2);
    expect(asked).toBe(2);
  });
});

describe('busy servers', () => {
  test.each([429, 503])(
    'a client asks again in time when a proxy answers %i in place of the server',
    async (status) => {
      let refusals = 1;
      const options = await fake((request, response) => {
        if (refusals-- > 0) response.writeHead(status, { 'Retry-After': '1' }).end();
        else if (request.method === 'HEAD') response.writeHead(200, LINK).end();
        else if (request.url === '/.cairn/v1/') response.writeHead(200).end(HELLO);
        else response.writeHead(404, PROBLEM).end('{"code":"not-found"}');
      });
      const start = performance.now();
      expect(await codeOf(list(options, { recursive: false }))).toBe('not-found');
      expect(performance.now() - start).toBeGreaterThan(950);
    },
  );

  test.each([429, 503])(
    'a client asks a server that answers %i again after the time that the server names',
    async (status) => {
      let refusals = 2;
      const options = await fake((request, response) => {
        if (request.method === 'HEAD') response.writeHead(200, LINK).end();
        else if (refusals-- > 0) response.writeHead(status, { 'Retry-After': '1' }).end();
        else if (request.url === '/.cairn/v1/') response.writeHead(200).end(HELLO);
        else response.writeHead(404, PROBLEM).end('{"code":"not-found"}');
      });
      const start = performance.now();
      expect(await codeOf(list(options, { recursive: false }))).toBe('not-found');
      expect(performance.now() - start).toBeGreaterThan(1900);
      const waits = options.events.filter((event) => event.type === 'waiting');
      expect(waits[0]).toMatchObject({
        code: status === 429 ? 'rate-limited' : 'server-busy',
        delayMs: 1000,
      });
    },
  );
});

describe('sources and destinations', () => {
  test('a push of a source that is not there is refused, and keeps no state', async () => {
    const scene = await openScene();
    expect(await codeOf(push([path.join(scene.root, 'nothing')], scene.options('/x')))).toBe(
      'source-missing',
    );
    expect(readdirSync(scene.stateHome)).toEqual([]);
  });

  test('a target of another type is an error in both directions, and leaves nothing behind', async () => {
    const scene = await openScene();
    const source = temporaryDirectory();
    mkdirSync(path.join(source, 'a'));
    writeFileSync(path.join(source, 'a/file'), 'x');
    await push([source], scene.options('/tree'));
    expect(await codeOf(push([path.join(source, 'a/file')], scene.options('/tree/a')))).toBe('is-directory');
    expect(await codeOf(push([source], scene.options('/tree/a/file')))).toBe('not-directory');
    const destination = temporaryDirectory();
    writeFileSync(path.join(destination, 'a'), 'a file');
    expect(await codeOf(pull(path.join(destination, 'a'), scene.options('/tree')))).toBe('not-directory');
    mkdirSync(path.join(destination, 'file/sub'), { recursive: true });
    expect(await codeOf(pull(path.join(destination, 'a/x'), scene.options('/tree/a/file')))).toBe(
      'not-directory',
    );
    expect(readdirSync(destination).toSorted()).toEqual(['a', 'file']);
    expect(readdirSync(path.join(scene.stateHome, 'transfers'))).toEqual([]);
  });

  test('a pull of a file that is not there is refused', async () => {
    const scene = await openScene();
    expect(await codeOf(pull(temporaryDirectory(), scene.options('/nothing')))).toBe('not-found');
  });
});

/** A server that lies in a pull: what it says is up to the test. */
function liar(lines: readonly string[], chunk: (response: ServerResponse) => void = () => {}): Handler {
  const header = `["cairn-manifest",1,${CHUNK},"xxh64"]`;
  const body = [header, ...lines].map((line) => `${line}\n`).join('');
  const id = createHash('sha256').update(body).digest('hex');
  return (request, response) => {
    const { method, url = '' } = request;
    request.resume();
    if (method === 'HEAD') response.writeHead(200, LINK).end();
    else if (url === '/.cairn/v1/') response.writeHead(200).end(HELLO);
    else if (url.endsWith('/sessions')) json(response, grant(), 201);
    else if (url.endsWith('/manifest')) response.writeHead(200).end(`${body}["end","${id}"]\n`);
    else if (url.endsWith('/plan')) json(response, { chunkCount: 1, bytesTotal: 10 });
    else if (url.includes('/chunks/')) chunk(response);
    else json(response, {});
  };
}

describe('hostile servers', () => {
  test.each([
    ['path-unsafe', '["f","../evil",1,420,"0"]'],
    ['path-unsafe', '["f","/evil",1,420,"0"]'],
    ['path-unsafe', '["f","a/../../evil",1,420,"0"]'],
    ['path-reserved', '["d",".cairn",493,"0"]'],
    ['manifest-invalid', '["f","a",-1,420,"0"]'],
    ['manifest-invalid', '["f","a",1e300,420,"0"]'],
    ['manifest-invalid', '["f","a/b",1,420,"0"]'],
    ['manifest-invalid', '["l","a","/x","0"]\n["f","a/b",1,420,"0"]'],
    ['manifest-invalid', '["f","a",1,2541,"0"]'],
    ['manifest-invalid', '["s","",420,"0"]'],
    ['manifest-too-large', '["f","a",9007199254740991,420,"0"]'],
  ])('a pull is refused with %s for the entry %s, and writes nothing', async (code, line) => {
    const options = await fake(liar(line.split('\n')));
    const destination = path.join(temporaryDirectory(), 'destination');
    expect(await codeOf(pull(destination, options))).toBe(code);
    expect(readdirSync(path.dirname(destination))).not.toContain('evil');
  });

  test.each([
    [
      'chunk-out-of-range',
      'a wrong length',
      (r: ServerResponse) => void r.writeHead(200, { 'Content-Length': 5000 }).end(Buffer.alloc(5000)),
    ],
    [
      'chunk-digest-mismatch',
      'wrong bytes',
      (r: ServerResponse) => void r.writeHead(200, { 'Content-Length': 18 }).end(Buffer.alloc(18)),
    ],
    [
      'session-fenced',
      'a fence',
      (r: ServerResponse) => {
        const problem = { code: 'session-fenced', detail: 'no' };
        r.writeHead(409, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify(problem));
      },
    ],
  ])('a pull ends with %s when a chunk is answered with %s', async (code, _, chunk) => {
    const options = await fake(liar(['["f","",10,420,"0"]'], chunk));
    const destination = path.join(temporaryDirectory(), 'file');
    expect(await codeOf(pull(destination, options))).toBe(code);
    expect(readdirSync(path.dirname(destination))).not.toContain('file');
  });

  test('a client cuts off a message that never ends', async () => {
    const options = await fake((request, response) => {
      if (request.method === 'HEAD') response.writeHead(200, LINK).end();
      else {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
          if (!response.destroyed) response.once('drain', more);
        };
        more();
      }
    });
    expect(await codeOf(list(options, { recursive: false }))).toBe('not-a-cairn-server');
  });

  test('a push ends when the server computes another layout', async () => {
    const file = path.join(temporaryDirectory(), 'file');
    writeRandomFile(file, 10 * CHUNK);
    const options = await fake((request, response) => {
      const { url = '' } = request;
      request.resume();
      if (url.endsWith('/manifest')) json(response, { have: [], attributes: [], candidates: [] });
      else liar([])(request, response);
    });
    expect(await codeOf(push([file], options))).toBe('digest-mismatch');
  });
});
