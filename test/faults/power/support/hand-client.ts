/** The calls of a push's beginning by hand, so that a cut can come right after any answer. */
import type { Entry } from '../../../../src/manifest/entry.ts';
import { createManifest, type Manifest } from '../../../../src/manifest/manifest.ts';
import type { SessionGrant } from '../../../../src/wire/messages.ts';
import { encodeTree } from '../../../../src/wire/tree-stream.ts';
import type { DiskServer } from '../../../support/servers.ts';

const CHUNK_SIZE_BYTES = 64 * 1024;
const ENTRY: Entry = {
  type: 'file',
  path: '',
  sizeBytes: 10 * CHUNK_SIZE_BYTES,
  mode: 0o644,
  mtimeNs: 1_600_000_000_000_000_000n,
  linkTarget: '',
};

/** A session as its client knows it. */
export interface HandSession {
  /** From the last answer that arrived. */
  readonly grant: SessionGrant;
  /** Id of the manifest, once the server has answered to it. */
  readonly manifestId: string | null;
  readonly hasPlan: boolean;
}

/** One request with a JSON (or other) body; any other status than 200 and 201 is thrown. */
async function ask(
  server: DiskServer,
  request: { method: string; route: string; grant?: SessionGrant; body: string },
): Promise<unknown> {
  const { method, route, grant, body } = request;
  const response = await fetch(`${server.url}/.cairn/v1/${route}`, {
    method,
    body,
    headers: {
      'content-type': 'application/json',
      'authorization': `Bearer ${server.token}`,
      'connection': 'close',
      ...(grant === undefined
        ? {}
        : { 'cairn-credential': grant.credential, 'cairn-epoch': String(grant.epoch) }),
    },
  });
  const text = await response.text();
  if (response.status !== 200 && response.status !== 201)
    throw new Error(`${method} ${route}: HTTP ${response.status} ${text}`);
  return JSON.parse(text);
}

/** Establishes a session for a push to `/by-hand`. */
export async function establish(server: DiskServer): Promise<HandSession> {
  const body = JSON.stringify({
    protocol: { major: 1, minor: 0 },
    direction: 'push',
    target: '/by-hand',
    digests: ['xxh64'],
    chunkSizeBytes: CHUNK_SIZE_BYTES,
    parallel: 2,
  });
  const grant = (await ask(server, { method: 'POST', route: 'sessions', body })) as SessionGrant;
  return { grant, manifestId: null, hasPlan: false };
}

/** Resumes a session in a new epoch. */
export async function resume(server: DiskServer, session: HandSession): Promise<HandSession> {
  const route = `sessions/${session.grant.session}/resume`;
  const grant = (await ask(server, { method: 'POST', route, body: '{}' })) as SessionGrant;
  return { ...session, grant };
}

/** Sends the manifest and, where that is there, the plan: one step further. */
export async function advance(server: DiskServer, session: HandSession): Promise<HandSession> {
  const { grant, manifestId } = session;
  const at = (what: string): { method: string; route: string; grant: SessionGrant } => ({
    method: 'PUT',
    route: `sessions/${grant.session}/${what}`,
    grant,
  });
  if (manifestId === null) {
    const manifest: Manifest = createManifest(
      { chunkSizeBytes: grant.chunkSizeBytes, digest: grant.digest },
      [ENTRY],
    );
    await ask(server, { ...at('manifest'), body: [...encodeTree(manifest)].join('') });
    return { ...session, manifestId: manifest.id };
  }
  await ask(server, { ...at('plan'), body: '{"have":[],"attributes":[]}' });
  return { ...session, hasPlan: true };
}
