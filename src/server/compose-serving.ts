/** Composes the serving of requests: authentication, routes, logs, channels and the operations port. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { canonicalAddress, isInRanges } from '../base/address-range.ts';
import { masked } from '../base/masked.ts';
import { countFailedAuthentications } from './access/failed-authentications.ts';
import type { Core } from './compose-core.ts';
import type { Foundation } from './compose-foundation.ts';
import { composeRoutes } from './compose-routes.ts';
import { createRouter } from './front-ends/router.ts';
import { createServe, type Arrival, type Serve } from './front-ends/serve-request.ts';
import type { Answering } from './http/answering.ts';
import { createAccess } from './http/authorize.ts';
import { createChannels } from './http/channel-upgrades.ts';
import { addressReader } from './http/client-address.ts';
import type { Handler } from './http/handler.ts';
import type { ListenContext } from './http/listen.ts';
import { createLimitedLog, type LimitedLog } from './http/log-limiter.ts';
import { createRefusals } from './http/refusals.ts';
import { tellableError } from './http/reply.ts';
import {
  createMetricsHandler,
  createReadinessHandler,
  forAdministrators,
  handleHealth,
} from './operations/operations.ts';
import type { Answers } from './operations/operations-port.ts';
import type { ServerOptions } from './server-options.ts';

interface Composed {
  readonly options: ServerOptions;
  readonly foundation: Foundation;
  readonly core: Core;
  readonly answering: Answering;
  readonly isDraining: () => boolean;
  /** Resolves when the server may answer requests. */
  readonly isReady: Promise<void>;
}

/** Makes the function that serves the requests of one server, and what its ports need. */
export function createServing(composed: Composed) {
  const { options, foundation } = composed;
  const { log, limits, metrics, hidePaths } = foundation;
  const { trustedProxies = [] } = options;
  const limitedLog = createLimitedLog(log);
  const refusals = createRefusals(limitedLog, metrics.refusedByLimit);
  const addressOf = addressReader(trustedProxies);
  const operations = createOperations(foundation);
  const route = createRoute(composed, limitedLog, operations);
  const refusalLog = { refusals, limitedLog };
  const answer = createServe({ route, addressOf, limits, hidePaths, refusalLog, metrics });
  const { serve, active } = tracked(answer, composed.isDraining, limitedLog);
  const channels = createChannels(limits, {
    serve: async (request, response, body) => {
      await composed.isReady;
      await serve(request, response, { awaitsContinue: false, body });
    },
    onSpoiled: (request, error) => {
      const { code, message } = tellableError(error, hidePaths);
      const address = addressOf(request);
      const of = { level: 'warn', kind: `channel ${code}`, address } as const;
      limitedLog.note(of, { address, code, reason: masked(message) }, 'channel ended');
    },
  });
  const isTrustedProxy = (address: string): boolean =>
    isInRanges(canonicalAddress(address) ?? '', trustedProxies);
  const listening: ListenContext = { limits, refusals, limitedLog, isTrustedProxy };
  const handlers = new Map([
    ['/healthz', operations.health],
    ['/readyz', operations.readiness],
    ['/metrics', operations.metrics],
  ]);
  const forOperators: Answers = { handlers, addressOf, hidePaths, log };
  return { serve, channels, active, listening, forOperators, limitedLog };
}

/** Makes the handler of all routes. */
function createRoute(
  { options, foundation, core, answering }: Composed,
  limitedLog: LimitedLog,
  operations: Operations,
): Handler {
  const { authenticators } = options;
  const { limits, wallNow } = foundation;
  const failedAuthentications = countFailedAuthentications(limits, { memory: options.memory });
  const access = createAccess({ authenticators, failedAuthentications, answering, wallNow });
  return createRouter({
    ...composeRoutes({ options, foundation, core, access, limitedLog }),
    operations: new Map([
      ['healthz', { GET: operations.health, HEAD: operations.health }],
      ['readyz', { GET: operations.readiness, HEAD: operations.readiness }],
      ['metrics', { GET: forAdministrators(access, operations.metrics) }],
    ]),
  });
}

/** How a request arrived, without the state of its server. */
type Arriving = Omit<Arrival, 'isDraining'>;

/** Serves requests, and keeps those in flight. */
interface Tracked {
  readonly serve: (request: IncomingMessage, response: ServerResponse, arrival: Arriving) => Promise<void>;
  readonly active: ReadonlySet<Promise<void>>;
}

function tracked(answer: Serve, isDraining: () => boolean, limitedLog: LimitedLog): Tracked {
  const active = new Set<Promise<void>>();
  const serve: Tracked['serve'] = (request, response, arrival) => {
    const serving = answer(request, response, { ...arrival, isDraining: isDraining() });
    active.add(serving);
    return serving
      .catch((error: unknown) => {
        request.socket.destroy();
        const message = 'this is a bug in cairn: answering a request failed, and its connection was closed';
        limitedLog.note({ level: 'error', kind: 'bug' }, { err: error }, message);
      })
      .finally(() => active.delete(serving));
  };
  return { serve, active };
}

/** The handlers for the monitoring of the server. */
type Operations = Readonly<Record<'health' | 'readiness' | 'metrics', Handler>>;

function createOperations({ readiness, exposed }: Foundation): Operations {
  return {
    health: handleHealth,
    readiness: createReadinessHandler(readiness),
    metrics: createMetricsHandler(exposed),
  };
}
