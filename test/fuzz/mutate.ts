/** What is done to messages: by what they mean, and by their bytes. */
import { pick, type Message } from './messages.ts';

type Random = () => number;
type Mutation = (message: Message, random: Random) => void;

const TARGETS = [
  '/../../etc/passwd',
  '/%2e%2e/%2e%2e/x',
  '//',
  '*',
  'http://elsewhere/x',
  '/.CAIRN/token',
  '/.cairn%2ftoken',
  `/${'a/'.repeat(3000)}`,
  `/${'x'.repeat(13_000)}`,
  '/\u0000',
  '/%00',
  '/%ff%fe',
  '/?'.repeat(200),
  '/.cairn/v2/',
  '/.cairn/v1/sessions/',
  '/.cairn/v1/channel',
];
const VALUES = [
  '',
  '0',
  '-1',
  '+1',
  '1e9',
  '0x10',
  '99999999999999999999',
  '18446744073709551616',
  'x'.repeat(9000),
  '\t',
  '"',
  ',',
  '\u00ff',
  'bytes=0-',
  'bytes=5-1,2-',
  '*',
  'null',
  '__proto__',
];
const FIELDS: readonly (readonly [string, string])[] = [
  ['Transfer-Encoding', 'chunked'],
  ['Transfer-Encoding', 'gzip, chunked'],
  ['Content-Length', '5'],
  ['Content-Length', '1000000'],
  ['Expect', '100-continue'],
  ['Expect', 'nothing'],
  ['Connection', 'close'],
  ['Connection', 'keep-alive, Upgrade'],
  ['Upgrade', 'h2c'],
  ['Upgrade', 'cairn-channel/1'],
  ['Host', 'other'],
  ['Range', 'bytes=0-0'],
  ['If-Range', '"x"'],
  ['If-None-Match', '*'],
  ['Content-Encoding', 'zstd'],
  ['Content-Encoding', 'gzip'],
  ['Accept-Encoding', 'zstd, gzip'],
  ['Cairn-Offset', '3'],
  ['Cairn-Decoded-Length', '6'],
  ['Cairn-Epoch', '7'],
  ['Cairn-Credential', 'D'.repeat(43)],
  ['Authorization', 'Bearer wrong'],
  ['Authorization', `Bearer ${'e'.repeat(43)}`],
  ['Authorization', 'Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6ImNhaXJuLWdyYW50K2p3dCJ9.e30.AAAA'],
  ['X-Forwarded-For', '1.2.3.4'],
  ['Origin', 'https://elsewhere'],
  ['__proto__', 'x'],
];
const JSON_VALUES = [
  null,
  true,
  -1,
  1e308,
  2 ** 53,
  '',
  'x'.repeat(5000),
  [],
  {},
  [[[[[[]]]]]],
  { __proto__: 1 },
];

const MUTATIONS: readonly Mutation[] = [
  (message, random) =>
    (message.method = pick(random, [
      'GET',
      'PUT',
      'POST',
      'HEAD',
      'DELETE',
      'PATCH',
      'OPTIONS',
      'CONNECT',
      'TRACE',
      'PRI',
      'constructor',
      'G\u0000T',
      '',
    ])),
  (message, random) => (message.target = pick(random, TARGETS)),
  (message, random) =>
    (message.target += pick(random, ['/', '?x', '%', '#', '/..', ' x', '\t', '/9999999999'])),
  (message, random) =>
    (message.version = pick(random, [
      'HTTP/1.0',
      'HTTP/0.9',
      'HTTP/2.0',
      'HTTP/1.1 ',
      'HTTP/11',
      '',
      'ICE/1.0',
    ])),
  (message, random) => message.fields.push([...pick(random, FIELDS)]),
  (message, random) => message.fields.unshift([...pick(random, FIELDS)]),
  (message, random) => message.fields.splice(Math.floor(random() * message.fields.length), 1),
  (message, random) =>
    message.fields.push(pick(random, message.fields.length > 0 ? message.fields : [['a', 'b']])),
  (message, random) => {
    const field = pick(random, message.fields);
    if (field !== undefined) field[1] = pick(random, VALUES);
  },
  (message, random) => {
    for (let at = 0; at < random() * 150; at += 1) message.fields.push([`X-${at}`, 'y']);
  },
  (message) => {
    // The same body in chunks.
    const size = message.body.length.toString(16);
    message.fields = message.fields.filter(([name]) => name !== 'Content-Length');
    message.fields.push(['Transfer-Encoding', 'chunked']);
    message.body = Buffer.concat([Buffer.from(`${size}\r\n`), message.body, Buffer.from('\r\n0\r\n\r\n')]);
  },
  (message) => (message.body = message.body.subarray(0, message.body.length >> 1)),
  (message, random) =>
    (message.body = Buffer.concat([message.body, Buffer.alloc(Math.floor(random() * 3000), 'z')])),
  (message, random) => (message.body = mutateJson(message.body, random)),
];

function mutateJson(body: Buffer, random: Random): Buffer {
  try {
    const value = JSON.parse(body.toString()) as Record<string, unknown>;
    const name = pick(random, [...Object.keys(value), 'extra']);
    value[name] = pick(random, JSON_VALUES);
    return Buffer.from(JSON.stringify(value));
  } catch {
    return Buffer.from(
      pick(random, ['{', '[', '"', '{"a":', '[1,2', 'nul', '{}{}', '\ufeff{}', '['.repeat(2000)]),
    );
  }
}

/** Changes what a message says, in none to three ways. */
export function mutate(message: Message, random: Random): Message {
  const changed = { ...message, fields: message.fields.map((field): [string, string] => [...field]) };
  const times = Math.floor(random() * 4);
  for (let time = 0; time < times; time += 1) pick(random, MUTATIONS)(changed, random);
  return changed;
}

/** Changes bytes, now and then: flips, takes out, doubles, or puts in some. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  if (random() < 0.7 || bytes.length === 0) return bytes;
  const at = Math.floor(random() * bytes.length);
  const to = Math.min(bytes.length, at + 1 + Math.floor(random() * 20));
  const [before, middle, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)];
  const flipped = Buffer.from(middle);
  flipped[0]! ^= 1 << Math.floor(random() * 8);
  const noise = Buffer.from(
    pick(random, ['\r\n', '\n', '\r', '\0', '\r\n\r\n', ' ', ':', '\x7f', '\xff']),
    'latin1',
  );
  const ways = [
    [before, flipped, after],
    [before, after],
    [before, middle, middle, after],
    [before, noise, middle, after],
  ];
  return Buffer.concat(pick(random, ways));
}
