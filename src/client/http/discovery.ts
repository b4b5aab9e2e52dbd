/** From the URL that the user gave to the protocol root of its server, and to the target below it. */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { knownKinds, type MetadataKind } from '../../manifest/metadata.ts';
import { checkProtocolMajor, Hello } from '../../wire/messages.ts';
import { parseJsonMessage } from '../../wire/parse-message.ts';
import { CHANNEL_PROTOCOL } from '../../wire/message-head.ts';
import { errorOfResponse } from '../../wire/problem.ts';
import { HEADER, PROTOCOL_ROOT, PROTOCOL_VERSION, protocolRootOf } from '../../wire/routes.ts';
import type { Connection } from './connection.ts';
import { withRetryAfter } from './retry-after.ts';

/** Where a transfer's messages go, and what they are about. */
export interface Endpoint {
  /** The protocol root; it ends with a slash. */
  readonly root: URL;
  /** The URL's path below the server's prefix, percent-encoded as it stood there. */
  readonly target: string;
}

/** A server that was found. */
export interface Discovery extends Endpoint {
  /** How long a request without a body takes on a connection that is there. */
  readonly roundTripMs: number;
  /** Whether its connections can be upgraded to channels. */
  readonly hasChannels: boolean;
  /** Whether it says what id a tree has. */
  readonly hasTreeIds: boolean;
  /** The metadata that a push and a pull can carry; undefined for a server that knows nothing of it. */
  readonly metadata: Record<'push' | 'pull', readonly MetadataKind[]> | undefined;
  /** Whether a push can delete what it does not have. */
  readonly hasDeletions: boolean;
}

const MAX_HELLO_BYTES = 64 * 1024;

/**
 * A first request that takes so long is no busy machine any more: measuring once more, on a connection that is warm, would
 * cost another round trip.
 */
const SURELY_LONG_MS = 60;

/**
 * Finds the server of a URL, as {@link greet} does. Over a line that is surely long, the greeting that came with the first
 * answer is enough.
 *
 * @throws CairnError what {@link greet} throws
 */
export async function discover(
  connection: Connection,
  url: URL,
  signal: AbortSignal,
  now = (): number => performance.now(),
): Promise<Discovery> {
  const found = await find(connection, url, signal, now);
  if (found.hello === undefined || found.roundTripMs < SURELY_LONG_MS)
    return (await greetFound(connection, found, signal, now)).endpoint;
  const { hello, roundTripMs, ...endpoint } = found;
  return { ...endpoint, roundTripMs, ...abilitiesOf(checked(hello)) };
}

/**
 * Finds the protocol root by a HEAD of the user's URL, and makes sure that a server of our protocol version is there.
 * Nothing secret is sent.
 *
 * @throws CairnError `not-a-cairn-server`, `version-unsupported`, `redirect-refused`, `usage` for a URL with a query,
 * network codes
 */
export async function greet(
  connection: Connection,
  url: URL,
  signal: AbortSignal,
  now = (): number => performance.now(),
): Promise<{ endpoint: Discovery; hello: Hello }> {
  return greetFound(connection, await find(connection, url, signal, now), signal, now);
}

interface Found extends Endpoint {
  /** How long the request took without what opening its connection did. */
  readonly roundTripMs: number;
  /** The greeting that came with the answer, as it came. */
  readonly hello: string | undefined;
}

async function find(
  connection: Connection,
  url: URL,
  signal: AbortSignal,
  now: () => number,
): Promise<Found> {
  if (url.search !== '' || url.hash !== '') {
    throw new CairnError(
      'usage',
      `the URL has a query or a fragment; write a ? in a name as %3F and a # as %23`,
    );
  }
  const askedAtMs = now();
  const found = await connection.exchange({ method: 'HEAD', url, signal });
  const tookMs = now() - askedAtMs;
  await found.discard();
  const root = protocolRootOf(found.header('link'), url);
  if (root === undefined) {
    const error = notCairn(url, found.status, found.header('location'));
    throw withRetryAfter(error, found.header('retry-after'));
  }
  const roundTripMs = Math.max(0, tookMs - (connection.connectMs ?? 0));
  return { root, target: targetBelow(root, url), roundTripMs, hello: found.header(HEADER.hello) };
}

async function greetFound(
  connection: Connection,
  { root, target }: Endpoint,
  signal: AbortSignal,
  now: () => number,
): Promise<{ endpoint: Discovery; hello: Hello }> {
  const askedAtMs = now();
  const answer = await connection.request({ method: 'GET', url: root, signal });
  const roundTripMs = now() - askedAtMs;
  const hello = checked(await answer.text(MAX_HELLO_BYTES));
  return { endpoint: { root, target, roundTripMs, ...abilitiesOf(hello) }, hello };
}

function checked(text: string): Hello {
  const hello = parseJsonMessage(Hello, text, 'the greeting of the server');
  checkProtocolMajor(hello.protocol.major, PROTOCOL_VERSION.major);
  return hello;
}

function abilitiesOf({
  channels,
  treeIds,
  metadata,
  deletions,
}: Hello): Pick<Discovery, 'hasChannels' | 'hasTreeIds' | 'metadata' | 'hasDeletions'> {
  return {
    hasChannels: channels?.includes(CHANNEL_PROTOCOL) === true,
    hasTreeIds: treeIds === true,
    hasDeletions: deletions === true,
    metadata: metadata && { push: knownKinds(metadata.push), pull: knownKinds(metadata.pull) },
  };
}

function notCairn(url: URL, status: number, location: string | undefined): CairnError {
  if (status >= 300 && status < 400) {
    return new CairnError(
      'redirect-refused',
      `${url.origin} redirects to ${printable((location ?? 'an unnamed URL').slice(0, 500))}; cairn does not follow redirects: use that URL itself if you trust it`,
      {
        details: { status },
      },
    );
  }
  if (status === 426 || (status === 400 && url.protocol === 'http:')) {
    const may = status === 426 ? '' : ' (HTTP status 400); if it speaks TLS,';
    const message = `the server at ${url.origin} refuses plain HTTP${may}: write https:// instead of http://`;
    return new CairnError('not-a-cairn-server', message, { details: { status } });
  }
  // A proxy whose server is away says so without knowing of cairn.
  if (status >= 500 || status === 429) return errorOfResponse(status, undefined, '');
  return new CairnError(
    'not-a-cairn-server',
    `the server at ${url.origin} is not a cairn server (no Link header in its answer, HTTP status ${status})`,
    {
      details: { status },
    },
  );
}

function targetBelow(root: URL, url: URL): string {
  if (!root.pathname.endsWith(`/${PROTOCOL_ROOT}`)) {
    // Another major version has another root; its greeting would tell the same.
    throw new CairnError(
      'version-unsupported',
      `${url.origin} speaks another version of the protocol: its root is ${printable(root.pathname.slice(0, 200))}`,
    );
  }
  const prefix = root.pathname.slice(0, -PROTOCOL_ROOT.length);
  if (url.pathname.startsWith(prefix)) return url.pathname.slice(prefix.length - 1);
  if (`${url.pathname}/` === prefix) return '/';
  throw new CairnError('not-a-cairn-server', `${url.href} is outside of the server's own space ${prefix}`);
}
