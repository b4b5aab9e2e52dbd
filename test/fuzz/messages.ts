/** Messages as the protocol has them, to be changed: of every route, with what a client would send. */
import { ESTABLISH, ROOT, type Identity } from './identity.ts';

/** A request before it is written down. */
export interface Message {
  method: string;
  target: string;
  version: string;
  fields: [name: string, value: string][];
  body: Buffer;
}

type Random = () => number;

/** One of several. */
export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)]!;
}

type Part = readonly [method: string, target: string, body?: object | string | Buffer];

const OF_ANYBODY: readonly ((random: Random) => Part)[] = [
  () => ['GET', ROOT],
  () => ['HEAD', '/some/file'],
  () => ['GET', '/'],
  () => ['GET', '/drop'],
  () => ['GET', '/.cairn/healthz'],
  () => ['GET', '/.cairn/readyz'],
  () => ['GET', '/.cairn/metrics'],
  () => ['GET', `${ROOT}whoami`],
  (random) => ['GET', `${ROOT}tree?path=/drop&recursive=${pick(random, ['0', '1'])}`],
  () => ['POST', `${ROOT}tree-id`, { target: '/drop' }],
  (random) => ['GET', `${ROOT}probe?silentMs=${Math.floor(random() * 50)}&pieces=3&everyMs=5`],
  () => ['POST', `${ROOT}probe`, 'x'.repeat(3000)],
  () => ['POST', `${ROOT}sessions`, ESTABLISH],
  () => ['GET', `${ROOT}sessions`],
  () => ['POST', `${ROOT}grants`, { direction: 'push', target: '/drop', expiresInMs: 60_000 }],
  () => ['GET', `${ROOT}grants`],
  () => ['DELETE', `${ROOT}grants/${'C'.repeat(22)}`],
];

/** Routes of a session, without those that end it: an attack would soon have none. */
const OF_SESSION: readonly ((identity: Identity) => Part)[] = [
  ({ chunk }) => ['PUT', 'chunks/0', chunk],
  () => ['GET', 'chunks/0'],
  () => ['HEAD', 'chunks/0'],
  ({ manifest }) => ['PUT', 'manifest', manifest],
  () => ['GET', 'manifest'],
  () => ['PUT', 'plan', { have: [], attributes: [] }],
  () => ['POST', 'digests', { entries: [0, 1] }],
  () => ['GET', 'checkpoint'],
  () => ['POST', 'sync', {}],
  () => ['POST', 'heartbeat', {}],
  ({ commit }) => ['POST', 'commit', { ...commit, bytesTotal: 5 }],
  () => ['GET', ''],
];

/** A request of any route. */
export function anyRequest(identity: Identity, random: Random): Message {
  if (random() < 0.5) {
    const [method, target, body] = pick(random, OF_ANYBODY)(random);
    return messageOf(identity, method, target, body, []);
  }
  const [method, route, body] = pick(random, OF_SESSION)(identity);
  const target = `${ROOT}sessions/${identity.session}${route === '' ? '' : `/${route}`}`;
  return messageOf(identity, method, target, body, proofOf(identity));
}

/** A message for a channel. */
export function anyChannelMessage(identity: Identity, random: Random): Message {
  const [method, route, body] = OF_SESSION[Math.floor(random() * 3)]!(identity);
  const target = `${ROOT}sessions/${identity.session}/${route}`;
  return { ...messageOf(identity, method, target, body, proofOf(identity)), version: 'HTTP/1.1' };
}

/** What asks for a channel. */
export function upgradeRequest(protocol = 'cairn-channel/1'): Message {
  const fields: Message['fields'] = [
    ['Host', 'fuzz'],
    ['Connection', 'Upgrade'],
    ['Upgrade', protocol],
  ];
  return { method: 'GET', target: `${ROOT}channel`, version: 'HTTP/1.1', fields, body: Buffer.alloc(0) };
}

function proofOf({ credential, epoch }: Identity): Message['fields'] {
  return [
    ['Cairn-Credential', credential],
    ['Cairn-Epoch', String(epoch)],
  ];
}

function messageOf(
  { token }: Identity,
  method: string,
  target: string,
  body: Part[2],
  proof: Message['fields'],
): Message {
  const isText = typeof body === 'string';
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(isText ? body : body === undefined ? '' : JSON.stringify(body));
  const fields: Message['fields'] = [['Host', 'fuzz'], ...proof];
  if (token !== undefined && proof.length === 0) fields.push(['Authorization', `Bearer ${token}`]);
  if (body !== undefined) fields.push(['Content-Length', String(bytes.length)]);
  if (body !== undefined && !isText && !Buffer.isBuffer(body))
    fields.push(['Content-Type', 'application/json']);
  return { method, target, version: 'HTTP/1.1', fields, body: bytes };
}

/** The bytes of a message. */
export function render({ method, target, version, fields, body }: Message): Buffer {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`${method} ${target} ${version}\r\n${lines}\r\n`, 'latin1'), body]);
}
