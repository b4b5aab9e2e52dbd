/** Answers of a hostile server: redirects, floods, drips, numbers that cannot be. */
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { list } from '../../src/client/list.ts';
import { pull } from '../../src/client/pull.ts';
import { pullStream } from '../../src/client/pull-stream.ts';
import { push } from '../../src/client/push.ts';
import { transferDigest } from '../../src/manifest/digest.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { memoryGrowth } from './support/raw.ts';
import {
  CHUNK,
  chunkOf,
  endOf,
  grant,
  greet,
  json,
  problem,
  setRawTrap,
  setTrap,
  TOKEN,
  tree,
} from './support/liar.ts';

const listing = { recursive: false };
/** Quick enough for a test. */
const PACE = { headersMs: 500, minRate: 2000, overMs: 500 };

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])(
    'a redirect (%i) to another origin is refused, and that origin is not asked for anything',
    async (status) => {
      const elsewhere = await setTrap(() => false);
      for (const step of ['discovery', 'greeting', 'session', 'chunk']) {
        const trap = await setTrap(
          ({ route, response, method }) => {
            const isStep =
              {
                discovery: method === 'HEAD',
                greeting: route === '',
                session: route === 'sessions',
                chunk: route?.includes('/chunks/') === true,
              }[step] ?? false;
            if (!isStep) return false;
            response.writeHead(status, { Location: `${elsewhere.url.origin}/tree` }).end();
            return true;
          },
          { lines: ['["f","",10,420,"0"]'], chunks: [Buffer.alloc(10)] },
        );
        const destination = path.join(trap.destination, 'x');
        expect([step, await endOf(pull(destination, trap.options))]).toEqual([step, 'redirect-refused']);
        expect(trap.asked.some(({ authorization }) => authorization?.includes(TOKEN))).toBe(
          step === 'session' || step === 'chunk',
        );
      }
      expect(elsewhere.asked).toEqual([]);
    },
  );

  test.each([
    '<http://evil.example/.cairn/v1/>; rel="urn:cairn:protocol"',
    '<//evil.example/.cairn/v1/>; rel="urn:cairn:protocol"',
    '<https://127.0.0.1/.cairn/v1/>; rel="urn:cairn:protocol"',
    '<javascript:alert(1)>; rel="urn:cairn:protocol"',
    '<file:///etc/passwd>; rel="urn:cairn:protocol"',
    '<http://user:secret@127.0.0.1/.cairn/v1/>; rel="urn:cairn:protocol"',
  ])('a client does not follow the Link header %s', async (link) => {
    const trap = await setTrap(({ method, response }) => {
      if (method !== 'HEAD') return false;
      response.writeHead(200, { Link: link }).end();
      return true;
    });
    expect(await endOf(list(trap.options, listing))).toBe('not-a-cairn-server');
    expect(trap.asked.map(({ line }) => line)).toEqual(['HEAD /tree']);
  });

  test('a client shows its token only after the server has greeted, and in no URL', async () => {
    const trap = await setTrap(() => false, { lines: ['["d","",493,"0"]'] });
    await list(trap.options, listing);
    const shown = trap.asked.map(({ authorization }) => authorization !== undefined);
    expect(shown).toEqual([false, false, true]);
    expect(trap.asked.map(({ line }) => line).join(' ')).not.toContain(TOKEN);
  });
});

describe('answers', () => {
  test.each([
    [
      'of endless length',
      'HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n',
      'x'.repeat(65_536),
      'not-a-cairn-server',
    ],
    [
      'of endless chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
      `10000\r\n${'x'.repeat(65_536)}\r\n`,
      'not-a-cairn-server',
    ],
    ['of headers without an end', 'HTTP/1.1 200 OK\r\n', 'X-More: yes\r\n'.repeat(1000), 'network'],
    [
      'of interim answers without an end',
      '',
      'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(100),
      'timeout',
    ],
    [
      'that is an error without an end',
      'HTTP/1.1 500 No\r\nContent-Length: 1000000000000\r\n\r\n',
      'x'.repeat(65_536),
      'not-a-cairn-server',
    ],
  ])('an answer %s is given up, and takes no memory', async (_, head, piece, code) => {
    const trap = await setRawTrap(
      (socket, request) => {
        if (request.startsWith('HEAD ')) {
          greet(socket, request);
          return;
        }
        socket.write(head);
        const flood = (): void => {
          while (!socket.destroyed && socket.write(piece));
          if (!socket.destroyed) socket.once('drain', flood);
        };
        flood();
      },
      // On a busy machine the flood is given time to be one.
      { pace: code === 'timeout' ? PACE : { ...PACE, headersMs: 20_000 } },
    );
    const growth = await memoryGrowth(async () => {
      expect(await endOf(list(trap.options, listing), 20_000)).toBe(code);
    });
    expect(growth).toBeLessThan(400);
  });

  test.each([
    ['headers', 'HTTP/1.1 200 OK\r\nX-Long: ', 'a'],
    ['a greeting', 'HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n', ' '],
    ['interim answers', '', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['chunks of one byte', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\n \r\n'],
  ])('an answer whose %s come a byte at a time is given up', async (_, head, piece) => {
    const timers = new Set<NodeJS.Timeout>();
    const trap = await setRawTrap(
      (socket, request) => {
        if (request.startsWith('HEAD ')) {
          greet(socket, request);
          return;
        }
        socket.write(head);
        const timer = setInterval(() => socket.writable && socket.write(piece), 50);
        timers.add(timer);
        socket.on('close', () => clearInterval(timer));
      },
      { pace: PACE },
    );
    expect(await endOf(list(trap.options, listing))).toBe('timeout');
    for (const timer of timers) clearInterval(timer);
  });

  test('a push to a server that takes hardly a byte of a chunk and does not answer is given up', async () => {
    const trap = await setRawTrap(
      (socket, request) => {
        if (request.startsWith('HEAD /.cairn')) answer(socket, {});
        else if (greet(socket, request)) return;
        else if (request.startsWith('POST ')) {
          const body = JSON.stringify(grant({ direction: 'push', chunkSizeBytes: 16 * 1024 ** 2 }));
          socket.write(`HTTP/1.1 201 Created\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        } else if (request.includes('/manifest HTTP'))
          answer(socket, { have: [], attributes: [], candidates: [] });
        else if (request.includes('/plan HTTP'))
          answer(socket, { chunkCount: 1, bytesTotal: 16 * 1024 ** 2 });
        else if (request.startsWith('PUT ') && request.includes('/chunks/')) {
          socket.pause();
          const timer = setInterval(() => {
            socket.resume();
            setTimeout(() => socket.pause(), 0);
          }, 400);
          socket.on('close', () => clearInterval(timer));
        }
      },
      { pace: { headersMs: 3000, minRate: 100_000_000, overMs: 300 }, chunkSizeBytes: 16 * 1024 ** 2 },
    );
    const file = path.join(temporaryDirectory(), 'file');
    writeRandomFile(file, 16 * 1024 ** 2);
    expect(await endOf(push([file], trap.options), 20_000)).toMatch(/timeout|network/);
  });

  test.each([
    [{ syncPoint: -1, durableSyncPoint: 0 }, 'invalid-request'],
    [{ syncPoint: 1, durableSyncPoint: -5 }, 'invalid-request'],
    [{ syncPoint: 0.5, durableSyncPoint: 0 }, 'invalid-request'],
    [{ syncPoint: 1e300, durableSyncPoint: 0 }, 'invalid-request'],
    [{ syncPoint: '1', durableSyncPoint: '1' }, 'invalid-request'],
    [{ syncPoint: 1, durableSyncPoint: 2 ** 53 - 1 }, 'invalid-request'],
  ])('a push ends when the answer to a chunk says %j, at the latest at its commit', async (status, code) => {
    const trap = await setTrap(
      ({ route, response, method }) => {
        if (route === 'sessions') json(response, grant({ direction: 'push' }), 201);
        else if (route?.endsWith('/manifest') === true)
          json(response, { have: [], attributes: [], candidates: [] });
        else if (method === 'PUT' && route?.includes('/chunks/') === true) json(response, status);
        else return false;
        return true;
      },
      { chunks: [Buffer.alloc(10)] },
    );
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '0123456789');
    // What it says of the future costs nobody but itself: exit 0 needs its digest of the whole.
    expect(await endOf(push([file], trap.options))).toBe(code);
  });

  test.each(['source-changed', 'body-too-large'])(
    'a push ends when a server answers a chunk with %s, which only a client can know',
    async (code) => {
      const details = { isToReadAgain: true, isGivenUp: true, chunkSizeBytes: 2 ** 40 };
      let chunks = 0;
      const trap = await setTrap(
        ({ route, response, method }) => {
          if (route === 'sessions') json(response, grant({ direction: 'push' }), 201);
          else if (route?.endsWith('/manifest') === true)
            json(response, { have: [], attributes: [], candidates: [] });
          else if (method === 'PUT' && route?.includes('/chunks/') === true) {
            chunks += 1;
            problem(response, 409, { code: chunks > 100 ? 'internal' : code, detail: 'no', details });
          } else return false;
          return true;
        },
        { chunks: [Buffer.alloc(10)] },
      );
      const file = path.join(temporaryDirectory(), 'file');
      writeFileSync(file, '0123456789');
      expect(await endOf(push([file], trap.options))).toBe(code);
    },
  );

  test('a pull gives up a chunk whose last byte is always missing when its time for retries is over', async () => {
    const bytes = Buffer.alloc(10);
    const trap = await setTrap(
      ({ route, response, request }) => {
        if (route?.includes('/chunks/') !== true) return false;
        const whole = chunkOf(bytes).subarray(Number(request.headers['cairn-offset'] ?? 0));
        response.writeHead(200, { 'Content-Length': whole.length });
        response.write(whole.subarray(0, -1), () => response.destroy());
        return true;
      },
      { lines: ['["f","",10,420,"0"]'], chunks: [bytes] },
    );
    expect(await endOf(pullStream(async () => undefined, trap.options))).toBe('network');
  });

  test('a push gives up when a server tells now more, now less bytes of a chunk, and its time for retries is over', async () => {
    let looks = 0;
    const trap = await setTrap(
      ({ route, response, method }) => {
        if (route === 'sessions') json(response, grant({ direction: 'push' }), 201);
        else if (route?.endsWith('/manifest') === true)
          json(response, { have: [], attributes: [], candidates: [] });
        else if (route?.includes('/chunks/') !== true) return false;
        else if (method === 'HEAD') {
          looks += 1;
          response.writeHead(200, { 'Cairn-Offset': looks % 2 === 0 ? 0 : 5 }).end();
        } else response.destroy();
        return true;
      },
      { chunks: [Buffer.alloc(10)] },
    );
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, '0123456789');
    expect(await endOf(push([file], trap.options))).toBe('network');
  });

  test('a pull gives up a commit that begins anew each time, and then cuts the connection', async () => {
    let commits = 0;
    const chunk = chunkOf(Buffer.alloc(10)).subarray(10);
    const lines = ['["f","",10,420,"0"]'];
    const digest = transferDigest(tree(lines).id, 10, [[0, chunk]]);
    const trap = await setTrap(
      ({ route, response }) => {
        if (route?.endsWith('/commit') !== true) return false;
        commits += 1;
        if (commits % 2 === 0) response.destroy();
        else json(response, { state: 'committing', entriesDone: 0, entriesTotal: 1, digest });
        return true;
      },
      { lines, chunks: [Buffer.alloc(10)] },
    );
    expect(await endOf(pull(path.join(trap.destination, 'x'), trap.options))).toBe('network');
  });

  test.each(['partial', 'interrupted', 'source-command-failed'])(
    'a pull does not end with a code that the server makes up for its commit: %s',
    async (code) => {
      const trap = await setTrap(
        ({ route, response }) => {
          if (route?.endsWith('/commit') !== true) return false;
          problem(response, 409, { code, detail: 'all is well' });
          return true;
        },
        { lines: ['["f","",10,420,"0"]'], chunks: [Buffer.alloc(10)] },
      );
      const destination = path.join(trap.destination, 'x');
      expect(await endOf(pull(destination, trap.options))).toBe('not-a-cairn-server');
      expect(existsSync(destination)).toBe(false);
    },
  );

  test.each(['1000000000', '999999999', '-5', '1e9', 'Fri, 31 Dec 9999 23:59:59 GMT', 'soon'])(
    'a client waits no longer than its own time for retries when a server says Retry-After: %s',
    async (retryAfter) => {
      const trap = await setTrap(({ response }) => {
        response.writeHead(503, { 'Retry-After': retryAfter }).end();
        return true;
      });
      // As long as it says would be years.
      expect(await endOf(list(trap.options, listing))).toBe('server-busy');
    },
  );

  test('a problem with an unknown code, objects as details or __proto__ is an error like any other', async () => {
    for (const value of [
      { code: 'internal', detail: 'x', details: { a: { b: 1 } } },
      { code: '__proto__', detail: 'x' },
      { code: 'constructor', detail: 'x' },
      { code: 'not-found', detail: 'x', details: { ['__proto__']: { isAdmin: true }, entries: [1e300, -1] } },
      { code: 'not-found', detail: { toString: 'x' } },
      [],
      null,
    ]) {
      const trap = await setTrap(({ route, response }) => {
        if (route?.startsWith('tree') !== true) return false;
        problem(response, 404, value as object);
        return true;
      });
      const work = list(trap.options, listing).catch((error: unknown) => error);
      expect(await work).toMatchObject({ code: expect.stringMatching(/^(internal|not-found)$/) });
      expect(({} as Record<string, unknown>)['isAdmin']).toBeUndefined();
    }
  });
});

test('a pull whose chunks come in another order than they were asked for publishes nothing', async () => {
  const [first, second] = [Buffer.alloc(CHUNK, '1'), Buffer.alloc(CHUNK, '2')];
  const lines = [`["f","",${2 * CHUNK},420,"0"]`];
  const trap = await setTrap(
    ({ route, response, body, method }) => {
      if (method === 'GET' && route?.includes('/chunks/') === true) {
        const swapped = chunkOf(route.endsWith('0') ? second : first);
        response.writeHead(200, { 'Content-Length': swapped.length }).end(swapped);
        return true;
      }
      if (route?.endsWith('/commit') !== true) return false;
      // A server that is right, behind something that is not.
      const digests = [first, second].map((bytes, chunk) => [chunk, chunkOf(bytes).subarray(CHUNK)] as const);
      const right = transferDigest(tree(lines).id, 2 * CHUNK, digests);
      if (body.includes(right))
        json(response, { state: 'committed', entriesDone: 1, entriesTotal: 1, digest: right });
      else problem(response, 409, { code: 'digest-mismatch', detail: 'the digests differ' });
      return true;
    },
    { lines, chunks: [first, second] },
  );
  const destination = path.join(trap.destination, 'x');
  expect(await endOf(pull(destination, trap.options))).toBe('digest-mismatch');
  expect(existsSync(destination)).toBe(false);
});

function answer(socket: { write(text: string): unknown }, value: unknown): void {
  const body = JSON.stringify(value);
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}
