/** Requests that no client sends: the line, the headers, the framing. */
import { describe, expect, test } from 'vitest';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, openPush } from '../server/by-hand.ts';
import { attack, openFortress, request, ROOT } from './support/raw.ts';

const AUTH = { Authorization: `Bearer ${ALICE}` };
/** What a smuggled request would be answered with. */
const PRIZE = '"server":"cairn"';
const SMUGGLED = `GET ${ROOT} HTTP/1.1\r\nHost: test\r\n\r\n`;

test('a session id that is a path, an escape or far too long names nothing', async () => {
  const fortress = await openFortress();
  const ids = [
    '..',
    '../..',
    '../../token',
    '%2e%2e',
    '%2e%2e%2ftoken',
    '..%2f..%2ftoken',
    '%00',
    `${'A'.repeat(21)}%00`,
    'A'.repeat(10_000),
    'Ａ'.repeat(22),
    '%C3%A4'.repeat(22),
    `${'A'.repeat(22)}/../../x`,
    `${'A'.repeat(22)}.json`,
    '.'.repeat(22),
    '-'.repeat(22),
    '__proto__',
    'constructor',
    'A'.repeat(22),
  ];
  const session = { 'Cairn-Credential': 'B'.repeat(43), 'Cairn-Epoch': '1' };
  for (const id of ids) {
    for (const [method, route] of [
      ['PUT', '/manifest'],
      ['GET', '/chunks/0'],
      ['DELETE', ''],
      ['POST', '/resume'],
    ] as const) {
      const bytes = Buffer.from(request(method, `${ROOT}sessions/${id}${route}`, { ...AUTH, ...session }));
      const { statuses } = await attack(fortress.port, bytes, { quietMs: 10 });
      expect([id.slice(0, 30), [400, 404, 405].includes(statuses[0]!)]).toEqual([id.slice(0, 30), true]);
    }
  }
  const withNul = `GET ${ROOT}sessions/${'A'.repeat(21)}\0/checkpoint HTTP/1.1\r\nHost: a\r\n\r\n`;
  expect((await attack(fortress.port, withNul)).statuses).toEqual([400]);
  await fortress.expectUnharmed();
});

describe('request smuggling', () => {
  const JSON_BODY = '{}';
  test.each([
    [
      'both lengths',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'both lengths, the other way round',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`,
    ],
    [
      'two lengths',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}`,
    ],
    ['a list of lengths', `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}`],
    ['a length with a sign', `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}`],
    ['a negative length', `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}`],
    ['a length in hex', `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}`],
    [
      'a length beyond all bounds',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nContent-Length: ${'9'.repeat(30)}\r\n\r\n{}`,
    ],
    [
      'an unknown coding',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'chunked that is not the last',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    ],
    [
      'chunked after a tab and a CR',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\u000bchunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'a blank before the colon',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'a size that is none',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n0\r\n\r\n`,
    ],
    [
      'a negative size',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n0\r\n\r\n`,
    ],
    [
      'a size beyond all bounds',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}`,
    ],
    [
      'a size that is too small',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n${JSON_BODY}\r\n0\r\n\r\n`,
    ],
    ['a bare line feed', `POST ${ROOT}sessions HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}`],
    ['a bare carriage return', `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\rContent-Length: 2\r\n\r\n{}`],
    ['a NUL in a header', `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n`],
    ['a header without a name', `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n`],
    [
      'a line that is folded',
      `POST ${ROOT}sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
    ],
  ])('a smuggled request behind %s is refused, and what follows is no request', async (what, bytes) => {
    const fortress = await openFortress();
    const { text, statuses } = await attack(fortress.port, `${bytes}${SMUGGLED}`);
    expect(statuses[0]).toBeGreaterThanOrEqual(400);
    // What is well-formed as chunked, whatever the folding, may be followed by a request of its own.
    if (what !== 'a line that is folded') expect(text).not.toContain(PRIZE);
    await fortress.expectUnharmed();
  });

  test('a request behind a body that is longer than announced has no right of the first request', async () => {
    const fortress = await openFortress();
    const bytes = `${request('POST', `${ROOT}sessions`, { ...AUTH, 'Content-Length': '2' }, '{}')}${SMUGGLED}`;
    const { statuses, text } = await attack(fortress.port, bytes);
    // Two requests on one connection, both as they stand there: the second has no authority of the first.
    expect(statuses).toEqual([400, 200]);
    expect(text.indexOf('invalid-request')).toBeLessThan(text.indexOf(PRIZE));
    await fortress.expectUnharmed();
  });
});

test.each([
  ['two Host headers', `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`, 400],
  ['no Host header', `GET / HTTP/1.1\r\n\r\n`, 400],
  ['a target of another server', `GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  [
    'a target with a user',
    `GET //user@evil/ HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`,
    400,
  ],
  ['the method OPTIONS on *', `OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  ['the method TRACE', `TRACE / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${ALICE}\r\n\r\n`, 405],
  ['the method CONNECT', `CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n`, 405],
  [
    'an upgrade to WebSocket',
    `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    401,
  ],
  ['the preface of HTTP/2 over plain text', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`, 400],
  ['a line of HTTP/0.9', `GET /\r\n\r\n`, 400],
  ['a line of HTTP/1.0 and neither Host nor token', `GET / HTTP/1.0\r\n\r\n`, 401],
  ['an unknown method', `HACK / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
  [
    'a route that every object has as a property',
    `GET /.cairn/v1/constructor HTTP/1.1\r\nHost: a\r\n\r\n`,
    404,
  ],
  [
    'bytes of TLS to a port that speaks plain HTTP',
    '\u0016\u0003\u0001\u0000\u00a5\u0001\u0000\u0000\u00a1\u0003\u0003',
    400,
  ],
] as const)('a request with %s is refused', async (_, bytes, status) => {
  const fortress = await openFortress();
  const { statuses, text } = await attack(fortress.port, Buffer.from(bytes, 'latin1'));
  expect([statuses[0], text.includes('101 Switching')]).toEqual([status, false]);
  expect(text).not.toContain(ALICE);
  await fortress.expectUnharmed();
});

test('a hundred requests at once on one connection are answered in order, each by its own token', async () => {
  const fortress = await openFortress();
  const bytes = Array.from({ length: 100 }, (_, index) =>
    request('GET', index % 2 === 0 ? '/nothing' : ROOT, index % 4 === 0 ? AUTH : {}),
  ).join('');
  const { statuses } = await attack(fortress.port, bytes, { answers: 100 });
  expect(statuses).toEqual(Array.from({ length: 25 }, () => [404, 200, 401, 200]).flat());
  await fortress.expectUnharmed();
});

test('a request target cannot put a header into the answer, nor a line into the log', async () => {
  const fortress = await openFortress();
  for (const target of [
    '/a%0d%0aX-Injected:%20yes',
    '/%0d%0a%0d%0aHTTP/1.1%20200%20OK',
    '/a>%3b%20rel="urn:cairn:protocol"/b',
    '/a%E2%80%A8b',
    '/../../x>; rel="urn:cairn:protocol"',
  ]) {
    const { text, statuses } = await attack(fortress.port, request('GET', target, AUTH));
    expect(statuses).toHaveLength(1);
    expect([400, 404]).toContain(statuses[0]);
    const [head] = text.split('\r\n\r\n');
    expect(head).not.toMatch(/^x-injected/im);
    expect((head!.match(/urn:cairn:protocol/g) ?? []).length).toBeLessThanOrEqual(1);
  }
  // What the log has of them is a line each.
  expect(fortress.scene.logged.filter((line) => line.includes('\n') || line.includes('\r'))).toEqual([]);
  await fortress.expectUnharmed();
});

test('a push to a target with encoded line breaks can be established and aborted like any other', async () => {
  const fortress = await openFortress();
  const transfer = transferOf(fortress.scene.stores.content, 'x', [directory(''), file('a', 'x')]);
  const session = await openPush(fortress.scene, { ...transfer, target: 'a%0d%0aSet-Cookie:%20x' });
  expect(session.terms.state).toBe('establishing');
  expect((await session.call('DELETE', '')).status).toBe(200);
  await fortress.expectUnharmed();
});
