/** The calls of a push's beginning by hand, so that a cut can come right after any answer. */
import type { Entry } from '../../../../src/manifest/entry.ts';
import { createManifest, type Manifest } from '../../../../src/manifest/manifest.ts';
import type { SessionTerms } from '../../../../src/wire/messages.ts';
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
  readonly terms: SessionTerms;
  /** Id of the manifest, once the server has answered to it. */
  readonly manifestId: string | null;
  readonly hasPlan: boolean;
}

/** One request with a JSON (or other) body; any other status than 200 and 201 is thrown. */
async function ask(
  server: DiskServer,
  request: { method: string; route: string; terms?: SessionTerms; body: string },
): Promise<unknown> {
  const { method, route, terms, body } = request;
  const response = await fetch(`${server.url}/.cairn/v1/${route}`, {
    method,
    body,
    headers: {
      'content-type': 'application/json',
      'authorization': `Bearer ${server.token}`,
      'connection': 'close',
      ...(terms === undefined
        ? {}
        : { 'cairn-credential': terms.credential, 'cairn-epoch': String(terms.epoch) }),
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
  const terms = (await ask(server, { method: 'POST', route: 'sessions', body })) as SessionTerms;
  return { terms, manifestId: null, hasPlan: false };
}

/** Resumes a session in a new epoch. */
export async function resume(server: DiskServer, session: HandSession): Promise<HandSession> {
  const route = `sessions/${session.terms.session}/resume`;
  const terms = (await ask(server, { method: 'POST', route, body: '{}' })) as SessionTerms;
  return { ...session, terms };
}

/** Sends the manifest and, where that is there, the plan: one step further. */
export async function advance(server: DiskServer, session: HandSession): Promise<HandSession> {
  const { terms, manifestId } = session;
  const at = (what: string): { method: string; route: string; terms: SessionTerms } => ({
    method: 'PUT',
    route: `sessions/${terms.session}/${what}`,
    terms,
  });
  if (manifestId === null) {
    const manifest: Manifest = createManifest(
      { chunkSizeBytes: terms.chunkSizeBytes, digest: terms.digest },
      [ENTRY],
    );
    await ask(server, { ...at('manifest'), body: [...encodeTree(manifest)].join('') });
    return { ...session, manifestId: manifest.id };
  }
  await ask(server, { ...at('plan'), body: '{"have":[],"attributes":[]}' });
  return { ...session, hasPlan: true };
}
