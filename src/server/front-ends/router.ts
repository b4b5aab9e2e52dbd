/** Finds the handler of each request. */
import { CairnError } from '../../base/errors.ts';
import { SESSION_ID_PATTERN } from '../../wire/messages.ts';
import { PROTOCOL_ROOT, PROTOCOL_SEGMENT, PROTOCOL_VERSION } from '../../wire/routes.ts';
import type { Exchange } from '../http/exchange.ts';
import type { ChunkHandler, Handler, IdHandler } from '../http/handler.ts';

/** Handlers by method. */
export type Methods<One> = Readonly<Record<string, One>>;

/** The handlers of one server. */
export interface Routes {
  /** By the path after the root of the protocol, outside of `sessions/` and `grants/`; empty for the root itself. */
  readonly protocol: ReadonlyMap<string, Methods<Handler>>;
  /** By the path after `sessions/{id}/`; empty for the session itself. */
  readonly session: ReadonlyMap<string, Methods<IdHandler>>;
  readonly chunk: Methods<ChunkHandler>;
  readonly grant: Methods<IdHandler>;
  /** By the path beside the protocol: for the operators of the server. */
  readonly operations: ReadonlyMap<string, Methods<Handler>>;
  /** Everything else: the user's files. */
  readonly files: Handler;
}

const ROOT = `/${PROTOCOL_ROOT}`;
const CHUNK_NUMBER = /^(0|[1-9][0-9]{0,8})$/;

/**
 * Makes the handler of all requests. It throws what its handlers throw, and `not-found`, `method-not-allowed` and
 * `version-unsupported`.
 */
export function createRouter(routes: Routes): Handler {
  return async (exchange) => {
    const { path } = exchange;
    if (path.startsWith(ROOT)) return routeProtocol(routes, exchange, path.slice(ROOT.length));
    refuseOtherVersions(path);
    const operation = path.startsWith(`/${PROTOCOL_SEGMENT}/`)
      ? routes.operations.get(path.slice(PROTOCOL_SEGMENT.length + 2))
      : undefined;
    if (operation !== undefined) return pick(operation, exchange)(exchange);
    if (path === `/${PROTOCOL_SEGMENT}` || path.startsWith(`/${PROTOCOL_SEGMENT}/`)) throw noRoute();
    return routes.files(exchange);
  };
}

function refuseOtherVersions(path: string): void {
  const foreign = /^\/\.cairn\/v([0-9]{1,9})(?:\/|$)/.exec(path)?.[1];
  const ours = PROTOCOL_VERSION.major;
  if (foreign === undefined || Number(foreign) === ours) return;
  throw new CairnError(
    'version-unsupported',
    `this server speaks version ${ours} of the protocol, not ${foreign}`,
    { details: { theirs: Number(foreign), ours } },
  );
}

async function routeProtocol(routes: Routes, exchange: Exchange, rest: string): Promise<void> {
  const alone = routes.protocol.get(rest);
  if (alone !== undefined) return pick(alone, exchange)(exchange);
  const names = rest.split('/');
  const [first, id = '', action = ''] = names;
  if (!SESSION_ID_PATTERN.test(id)) throw noRoute();
  if (first === 'grants' && names.length === 2) return pick(routes.grant, exchange)(exchange, id);
  if (first !== 'sessions') throw noRoute();
  if (action === 'chunks' && names.length === 4 && CHUNK_NUMBER.test(names[3]!)) {
    return pick(routes.chunk, exchange)(exchange, id, Number(names[3]));
  }
  const methods =
    names.length === 2 || (names.length === 3 && action !== '') ? routes.session.get(action) : undefined;
  if (methods === undefined) throw noRoute();
  return pick(methods, exchange)(exchange, id);
}

function pick<One>(methods: Methods<One>, { method }: Exchange): One {
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
