/** The frame around every request: its answer, its failure, its log line, and what is left of its body. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BodyReader } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import { refuseCrossSite } from '../http/cross-site.ts';
import { checkRequestLine, drainBody, openExchange } from '../http/exchange.ts';
import { logFailure } from '../http/log-failure.ts';
import { paceOf } from '../http/pace.ts';
import { sendProblem, tellableError } from '../http/reply.ts';
import { countFailure } from '../http/count-failure.ts';
import { routeLabel } from '../http/route-label.ts';
import { route } from './router.ts';
import type { ServerContext } from '../server-context.ts';

/** As nginx logs it: the client did not get its answer. */
const ENDED_WITHOUT_ANSWER = 499;

/** How a request came. */
export interface Arrival {
  readonly awaitsContinue: boolean;
  readonly isDraining: boolean;
  /** The body of a request that did not come through Node's parser; what is left of it is its owner's. */
  readonly body?: BodyReader | undefined;
}

/** Answers one request; never rejects. */
export async function serveRequest(
  context: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
  { awaitsContinue, isDraining, body }: Arrival,
): Promise<void> {
  const address = context.addressOf(request);
  const pace = paceOf(context.limits);
  const exchange = openExchange(request, response, { pace, awaitsContinue, address, body });
  try {
    checkRequestLine(exchange, context.limits);
    if (isDraining) {
      response.setHeader('Connection', 'close');
      throw new CairnError('server-busy', 'the server is shutting down; try again when it is back');
    }
    refuseCrossSite(exchange);
    await route(context, exchange);
  } catch (error) {
    const told = tellableError(error, context.hidePaths);
    if (!logFailure(context, exchange, { told, thrown: error })) countFailure(context.metrics, told);
    await sendProblem(exchange, told);
  } finally {
    if (body === undefined) void drainBody(exchange);
    else body.release();
    const status = response.writableFinished ? response.statusCode : ENDED_WITHOUT_ANSWER;
    context.metrics.requestEnded(routeLabel(exchange.method, exchange.path), status);
  }
}
