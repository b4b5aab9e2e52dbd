/** The paths and header names of the protocol. PROTOCOL.md describes each. */

/** Version of the protocol that this code speaks; the major version is part of every path. */
export const PROTOCOL_VERSION = { major: 1, minor: 0 } as const;

/** First component of every protocol path; no user's file may have this name. */
export const PROTOCOL_SEGMENT = '.cairn';

/** Path of the protocol root below the server's own root. */
export const PROTOCOL_ROOT = `${PROTOCOL_SEGMENT}/v${PROTOCOL_VERSION.major}/`;

/** Relation type of the Link header that names the protocol root (RFC 8288). */
export const PROTOCOL_LINK_REL = 'urn:cairn:protocol';

/** Names of cairn's own headers, in lower case as Node reports them. */
export const HEADER = {
  /** The session credential: 43 characters of base64url. */
  credential: 'cairn-credential',
  /** The epoch that the sender of the request knows. */
  epoch: 'cairn-epoch',
  /** Offset within a chunk, in bytes. */
  offset: 'cairn-offset',
  /** Length of an encoded chunk body after decoding, in bytes: payload from the offset on, and digest. */
  decodedLength: 'cairn-decoded-length',
  /** The error code of a response, for answers without a body: those to HEAD. */
  error: 'cairn-error',
  /** The plan that a client wants to agree on with its manifest; in an answer, the one agreed on: {@link PLAN}. */
  plan: 'cairn-plan',
  /** Whether a client wants to hear what the entries of a pull have that is not carried: {@link TELL_UNCARRIED}. */
  uncarried: 'cairn-uncarried',
  /** Whether a push replaces an entry of another type at the target itself: {@link REPLACE_ANY}. */
  replace: 'cairn-replace',
  /** The greeting without its login, in an answer to a HEAD of a user's path. */
  hello: 'cairn-hello',
  /** The challenge to a server of this machine, in a request for the protocol root: 43 characters of base64url. */
  challenge: 'cairn-challenge',
  /** The server's proof in the answer: `localProof`. */
  proof: 'cairn-proof',
} as const;

/** The value of {@link HEADER.replace} with a manifest. */
export const REPLACE_ANY = 'any';

/** The value of {@link HEADER.uncarried} with a request for a manifest. */
export const TELL_UNCARRIED = 'tell';

/** Plans that need no request of their own, as values of {@link HEADER.plan}. */
export const PLAN = {
  /** The plan that the server would propose for the manifest of a push. */
  proposed: 'proposed',
  /** The same, unless the target has older versions of large files, of which parts may do. */
  proposedUnlessOlder: 'proposed-unless-older',
  /** The plan that carries all entries of the manifest of a pull. */
  everything: 'everything',
} as const;

/** Paths relative to the protocol root. */
export const ROUTE = {
  sessions: () => 'sessions',
  session: (id: string) => `sessions/${id}`,
  resume: (id: string) => `sessions/${id}/resume`,
  manifest: (id: string) => `sessions/${id}/manifest`,
  plan: (id: string) => `sessions/${id}/plan`,
  checkpoint: (id: string) => `sessions/${id}/checkpoint`,
  chunk: (id: string, chunk: number) => `sessions/${id}/chunks/${chunk}`,
  sync: (id: string) => `sessions/${id}/sync`,
  heartbeat: (id: string) => `sessions/${id}/heartbeat`,
  suspend: (id: string) => `sessions/${id}/suspend`,
  commit: (id: string) => `sessions/${id}/commit`,
  extras: (id: string) => `sessions/${id}/extras`,
  deletions: (id: string) => `sessions/${id}/deletions`,
  digests: (id: string) => `sessions/${id}/digests`,
  blocks: (id: string) => `sessions/${id}/blocks`,
  grains: (id: string) => `sessions/${id}/grains`,
  parts: (id: string) => `sessions/${id}/parts`,
  grants: () => 'grants',
  grant: (id: string) => `grants/${id}`,
  whoami: () => 'whoami',
  probe: () => 'probe',
  treeId: () => 'tree-id',
  channel: () => 'channel',
  changes: () => 'tree',
  tree: (urlPath: string, recursive: boolean) =>
    `tree?path=${encodeURIComponent(urlPath)}&recursive=${recursive ? '1' : '0'}`,
} as const;

/**
 * The Link header from a request path to the protocol root. Its reference is relative, because a server below a reverse
 * proxy's prefix does not know that prefix: `/a/b` → `../.cairn/v1/`.
 */
export function protocolLink(requestPath: string): string {
  const depth = Math.max(0, requestPath.split('/').length - 2);
  return `<${'../'.repeat(depth) || './'}${PROTOCOL_ROOT}>; rel="${PROTOCOL_LINK_REL}"`;
}

/** The protocol root that a Link header names, resolved against the URL it came from; undefined if it names none. */
export function protocolRootOf(link: string | undefined, base: URL): URL | undefined {
  const match = /<([^<>]*)>\s*;\s*rel="urn:cairn:protocol"/.exec(link ?? '');
  if (match === null || !URL.canParse(match[1]!, base.href)) return undefined;
  const root = new URL(match[1]!, base.href);
  return root.origin === base.origin ? root : undefined;
}
