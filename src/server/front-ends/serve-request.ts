/** Serves every request: routes it, answers and logs its failure, and drains the rest of its body. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BodyReader } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import type { HttpLimits } from '../http/http-limits.ts';
import type { HidePaths } from '../core/own-paths.ts';
import type { AddressReader } from '../http/client-address.ts';
import { refuseCrossSite } from '../http/cross-site.ts';
import { checkRequestLine, drainBody, openExchange } from '../http/exchange.ts';
import type { Handler } from '../http/handler.ts';
import { logFailure, type RefusalLog } from '../http/log-failure.ts';
import { paceOf } from '../http/body-pace.ts';
import { sendProblem, tellableError } from '../http/reply.ts';
import { countFailure, type RequestMetrics } from '../http/count-failure.ts';
import { routeLabel } from '../http/route-label.ts';

/** The status that nginx logs where the client did not get its answer. */
const ENDED_WITHOUT_ANSWER = 499;

/** How a request arrived. */
export interface Arrival {
  readonly awaitsContinue: boolean;
  readonly isDraining: boolean;
  /** The body of a request that did not come through Node's parser; its owner drains the rest of it. */
  readonly body?: BodyReader | undefined;
}

/** What {@link createServe} needs. */
export interface Serving {
  readonly route: Handler;
  readonly addressOf: AddressReader;
  readonly limits: Pick<
    HttpLimits,
    'idleBodyMs' | 'minBodyRate' | 'bodyRateOverMs' | 'maxTargetBytes' | 'maxHeaders'
  >;
  readonly hidePaths: HidePaths;
  readonly refusalLog: RefusalLog;
  readonly metrics: RequestMetrics;
}

/** Answers one request; never rejects. */
export type Serve = (request: IncomingMessage, response: ServerResponse, arrival: Arrival) => Promise<void>;

/** Makes the function that answers the requests of one server. */
export function createServe({ route, addressOf, limits, hidePaths, refusalLog, metrics }: Serving): Serve {
  const pace = paceOf(limits);
  // Profiles show this name; an arrow function would lose its own in the bundle.
  async function serveRequest(
    request: IncomingMessage,
    response: ServerResponse,
    { awaitsContinue, isDraining, body }: Arrival,
  ): Promise<void> {
    const address = addressOf(request);
    const exchange = openExchange(request, response, { pace, awaitsContinue, address, body });
    try {
      checkRequestLine(exchange, limits);
      if (isDraining) {
        response.setHeader('Connection', 'close');
        throw new CairnError('server-busy', 'the server is shutting down; try again when it is back');
      }
      refuseCrossSite(exchange);
      await route(exchange);
    } catch (error) {
      const told = tellableError(error, hidePaths);
      if (!logFailure(refusalLog, exchange, { told, thrown: error })) countFailure(metrics, told);
      await sendProblem(exchange, told);
    } finally {
      if (body === undefined) void drainBody(exchange);
      else body.release();
      const status = response.writableFinished ? response.statusCode : ENDED_WITHOUT_ANSWER;
      metrics.requestEnded(routeLabel(exchange.method, exchange.path), status);
    }
  }
  return serveRequest;
}
