/** Which handler answers which request. */
import { CairnError } from '../../base/errors.ts';
import { showProof } from '../http/local-proof.ts';
import { SESSION_ID_PATTERN, type Hello } from '../../wire/messages.ts';
import { CHANNEL_PROTOCOL } from '../../wire/message-head.ts';
import { HEADER, PROTOCOL_ROOT, PROTOCOL_SEGMENT, PROTOCOL_VERSION } from '../../wire/routes.ts';
import { handleListSessions, handleShowSession } from './admin/administration.ts';
import { handleCheckpoint } from './native/checkpoint.ts';
import { handleCommit } from './native/commit.ts';
import { handleDigests } from './native/digests.ts';
import { handleEstablish, handleResume } from './native/establish.ts';
import { handleIssueGrant, handleListGrants, handleRevokeGrant } from './admin/grants.ts';
import type { Exchange } from '../http/exchange.ts';
import { handleHealth, handleMetrics, handleReadiness } from '../operations/operations.ts';
import { handlePlan } from './native/plan.ts';
import { handleDownloadProbe, handleUploadProbe } from './native/probe.ts';
import { handlePublic, handleTree } from './files/public-files.ts';
import { handleGetManifest } from './native/pull-manifest.ts';
import { handlePutManifest } from './native/push-manifest.ts';
import { handleHeadChunk, handlePutChunk } from './native/receive-chunk.ts';
import { sendJson } from '../http/reply.ts';
import { handleGetChunk } from './native/send-chunk.ts';
import { handleTreeChange } from './files/tree-changes.ts';
import { handleTreeId } from './native/tree-id.ts';
import { handleWhoAmI } from './native/whoami.ts';
import type { ServerContext } from '../server-context.ts';
import { handleAbort, handleHeartbeat, handleSuspend, handleSync } from './native/session-control.ts';

type SessionHandler = (context: ServerContext, exchange: Exchange, id: string) => Promise<void>;
type ChunkHandler = (context: ServerContext, exchange: Exchange, id: string, chunk: number) => Promise<void>;
type Methods<Handler> = Readonly<Record<string, Handler>>;

const ROOT = `/${PROTOCOL_ROOT}`;
const CHUNK_NUMBER = /^(0|[1-9][0-9]{0,8})$/;

/** What follows `sessions/{id}`, and its methods. */
const SESSION_ROUTES = new Map<string, Methods<SessionHandler>>([
  ['', { DELETE: handleAbort, GET: handleShowSession }],
  ['resume', { POST: handleResume }],
  ['manifest', { PUT: handlePutManifest, GET: handleGetManifest }],
  ['digests', { POST: handleDigests }],
  ['plan', { PUT: handlePlan }],
  ['checkpoint', { GET: handleCheckpoint }],
  ['sync', { POST: handleSync }],
  ['heartbeat', { POST: handleHeartbeat }],
  ['suspend', { POST: handleSuspend }],
  ['commit', { POST: handleCommit }],
]);
/** What stands beside the protocol, for whoever watches over the server. */
const OPERATIONS = new Map<string, Methods<(context: ServerContext, exchange: Exchange) => Promise<void>>>([
  ['healthz', { GET: handleHealth, HEAD: handleHealth }],
  ['readyz', { GET: handleReadiness, HEAD: handleReadiness }],
  ['metrics', { GET: handleMetrics }],
]);
const CHUNK_METHODS: Methods<ChunkHandler> = {
  PUT: handlePutChunk,
  HEAD: handleHeadChunk,
  GET: handleGetChunk,
};

/**
 * Answers a request.
 *
 * @throws CairnError what the client is told: `not-found`, `method-not-allowed`, `version-unsupported` from here
 */
export async function route(context: ServerContext, exchange: Exchange): Promise<void> {
  const { path } = exchange;
  if (path.startsWith(ROOT)) return routeProtocol(context, exchange, path.slice(ROOT.length));
  const foreign = /^\/\.cairn\/v([0-9]{1,9})(?:\/|$)/.exec(path)?.[1];
  if (foreign !== undefined && Number(foreign) !== PROTOCOL_VERSION.major) {
    const ours = PROTOCOL_VERSION.major;
    throw new CairnError(
      'version-unsupported',
      `this server speaks version ${ours} of the protocol, not ${foreign}`,
      {
        details: { theirs: Number(foreign), ours },
      },
    );
  }
  const operation = path.startsWith(`/${PROTOCOL_SEGMENT}/`)
    ? OPERATIONS.get(path.slice(PROTOCOL_SEGMENT.length + 2))
    : undefined;
  if (operation !== undefined) return pick(operation, exchange)(context, exchange);
  if (path === `/${PROTOCOL_SEGMENT}` || path.startsWith(`/${PROTOCOL_SEGMENT}/`)) throw noRoute();
  // Who looks for the protocol over a long line need not ask for the greeting, too.
  if (exchange.method === 'HEAD')
    exchange.response.setHeader(HEADER.hello, JSON.stringify(greetingOf(context)));
  return handlePublic(context, exchange);
}

async function routeProtocol(context: ServerContext, exchange: Exchange, rest: string): Promise<void> {
  const names = rest.split('/');
  const [first, id = '', action = ''] = names;
  if (rest === '') return pick({ GET: sayHello, HEAD: sayHello }, exchange)(context, exchange);
  if (rest === 'tree') return pick({ GET: handleTree, POST: handleTreeChange }, exchange)(context, exchange);
  if (rest === 'tree-id') return pick({ POST: handleTreeId }, exchange)(context, exchange);
  if (rest === 'whoami') return pick({ GET: handleWhoAmI }, exchange)(context, exchange);
  if (rest === 'probe')
    return pick({ POST: handleUploadProbe, GET: handleDownloadProbe }, exchange)(context, exchange);
  if (rest === 'sessions')
    return pick({ POST: handleEstablish, GET: handleListSessions }, exchange)(context, exchange);
  if (rest === 'grants')
    return pick({ POST: handleIssueGrant, GET: handleListGrants }, exchange)(context, exchange);
  if (first === 'grants' && names.length === 2 && SESSION_ID_PATTERN.test(id))
    return pick({ DELETE: handleRevokeGrant }, exchange)(context, exchange, id);
  if (first !== 'sessions' || !SESSION_ID_PATTERN.test(id)) throw noRoute();
  if (action === 'chunks' && names.length === 4 && CHUNK_NUMBER.test(names[3]!)) {
    return pick(CHUNK_METHODS, exchange)(context, exchange, id, Number(names[3]));
  }
  const methods =
    names.length === 2 || (names.length === 3 && action !== '') ? SESSION_ROUTES.get(action) : undefined;
  if (methods === undefined) throw noRoute();
  return pick(methods, exchange)(context, exchange, id);
}

function pick<Handler>(methods: Methods<Handler>, { method }: Exchange): Handler {
  const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (handler !== undefined) return handler;
  const allow = Object.keys(methods).join(', ');
  throw new CairnError('method-not-allowed', `${method} is not possible here; ${allow} is`, {
    details: { allow },
  });
}

function noRoute(): CairnError {
  return new CairnError('not-found', 'the protocol has no such route');
}

function sayHello(context: ServerContext, exchange: Exchange): Promise<void> {
  const { login } = context;
  showProof(context, exchange);
  const hello: Hello = { ...greetingOf(context), ...(login === undefined ? {} : { login }) };
  return sendJson(exchange, 200, hello);
}

function greetingOf({ version }: ServerContext): Hello {
  return {
    server: 'cairn',
    version,
    protocol: PROTOCOL_VERSION,
    channels: [CHANNEL_PROTOCOL],
    treeIds: true,
  };
}
