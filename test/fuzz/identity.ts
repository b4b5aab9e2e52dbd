/** In whose name messages are sent: a stranger's, or that of somebody with the smallest grant. */
import { DIGEST_LENGTH_BYTES, loadHasher, transferDigest } from '../../src/manifest/digest.ts';
import { createManifest } from '../../src/manifest/manifest.ts';
import type { SessionTerms } from '../../src/wire/messages.ts';
import { encodeTree } from '../../src/wire/tree-stream.ts';
import { ask } from './caller.ts';
import type { Victim } from './victim.ts';

/** The protocol root. */
export const ROOT = '/.cairn/v1/';
/** What the only file of a transfer holds: as many bytes as its grant allows. */
const CONTENT = Buffer.from('cairn!');

/** Who sends messages. */
export interface Identity {
  /** None: a stranger. */
  readonly token: string | undefined;
  /** A session of its own, or one that does not exist. */
  readonly session: string;
  readonly credential: string;
  readonly epoch: number;
  readonly manifest: string;
  /** The body of the only chunk. */
  readonly chunk: Buffer;
  readonly commit: object;
}

/** What a stranger knows: the shape of everything, and nothing that is valid. */
export async function stranger(): Promise<Identity> {
  const hash = (await loadHasher('xxh64'))();
  hash.update(CONTENT);
  const manifest = createManifest({ chunkSizeBytes: 65_536, digest: 'xxh64' }, [
    { type: 'file', path: '', sizeBytes: CONTENT.length, mode: 0o644, mtimeNs: 0n, linkTarget: '' },
  ]);
  const digest = hash.digest();
  if (digest.byteLength !== DIGEST_LENGTH_BYTES.xxh64) throw new Error('the digest has another length');
  return {
    token: undefined,
    session: 'A'.repeat(22),
    credential: 'B'.repeat(43),
    epoch: 1,
    manifest: [...encodeTree(manifest)].join(''),
    chunk: Buffer.concat([CONTENT, digest]),
    commit: {
      digest: transferDigest(manifest.id, CONTENT.length, [[0, digest]]),
      bytesTotal: CONTENT.length,
      excluded: [],
    },
  };
}

/** The holder of a grant for a few bytes at one path, with a session under way. */
export async function holder(victim: Victim): Promise<Identity> {
  const known = await stranger();
  const wish = { direction: 'push', target: '/drop', expiresInMs: 86_400_000, maxBytes: CONTENT.length };
  const { grant } = await json<{ grant: string }>(victim, 'grants', victim.token, wish);
  const { session, credential, epoch } = await json<SessionTerms>(victim, 'sessions', grant, ESTABLISH);
  const headers = { 'Cairn-Credential': credential, 'Cairn-Epoch': String(epoch) };
  const base = `${ROOT}sessions/${session}`;
  await ask(victim, 'PUT', `${base}/manifest`, { headers, body: known.manifest });
  await ask(victim, 'PUT', `${base}/plan`, { headers, body: '{"have":[],"attributes":[]}' });
  return { ...known, token: grant, session, credential, epoch };
}

/** A request for a session within the grant. */
export const ESTABLISH = {
  protocol: { major: 1, minor: 0 },
  direction: 'push',
  target: '/drop',
  digests: ['xxh64'],
  chunkSizeBytes: 65_536,
  parallel: 4,
};

async function json<T>(victim: Victim, route: string, token: string, message: object): Promise<T> {
  const headers = { 'Authorization': `Bearer ${token}`, 'Content-Type': 'application/json' };
  const reply = await ask(victim, 'POST', ROOT + route, { headers, body: JSON.stringify(message) });
  if (reply.status >= 300) throw new Error(`HTTP ${reply.status}: ${reply.text}`);
  return JSON.parse(reply.text) as T;
}

/** Ends the sessions that an attack has left, and gives back what they hold. */
export async function endSessions(victim: Victim): Promise<void> {
  const headers = { Authorization: `Bearer ${victim.token}` };
  const reply = await ask(victim, 'GET', `${ROOT}sessions`, { headers });
  const ids = new Set([...reply.text.matchAll(/"session":"([\w-]{22})"/g)].map(([, id]) => id));
  for (const id of ids) {
    // oxlint-disable-next-line no-await-in-loop -- few, and in any order
    await ask(victim, 'DELETE', `${ROOT}sessions/${id}`, { headers });
  }
}
