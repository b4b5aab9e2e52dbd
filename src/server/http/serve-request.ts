/** The frame around every request: its answer, its failure, its log line, and what is left of its body. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BodyReader } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import { PROTOCOL_SEGMENT } from '../../protocol/routes.ts';
import { printable } from '../../base/safe-path.ts';
import { refuseCrossSite } from './cross-site.ts';
import { checkRequestLine, drainBody, openExchange, type Exchange } from './exchange.ts';
import { paceOf } from './pace.ts';
import { sendProblem, tellableError } from './reply.ts';
import { limitIn } from '../refusals.ts';
import { countFailure } from '../operations/count-failure.ts';
import { routeLabel } from '../operations/route-label.ts';
import { route } from '../router.ts';
import type { Logger, ServerContext } from '../server-context.ts';

const MAX_LOGGED_PATH = 300;
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
    const limit = limitIn(told);
    if (limit !== undefined) context.refusals.note(limit, { address: exchange.address });
    if (!logFailure(context.log, exchange, told)) countFailure(context.metrics, told);
    await sendProblem(exchange, told);
  } finally {
    if (body === undefined) drainBody(exchange);
    else body.release();
    const status = response.writableFinished ? response.statusCode : ENDED_WITHOUT_ANSWER;
    context.metrics.requestEnded(routeLabel(exchange.method, exchange.path), status);
  }
}

/**
 * Neither headers nor query are logged: the first hold secrets, the second may. True where it was no failure at all but
 * a client that looks for the protocol.
 */
function logFailure(log: Logger, { method, path, request }: Exchange, error: CairnError): boolean {
  const fields = {
    method,
    path: printable(path.slice(0, MAX_LOGGED_PATH)),
    code: error.code,
    reason: error.message,
  };
  const { httpStatus } = error.traits;
  // A client asks so where the protocol is, before it shows its token; nor need there be anything at its target yet.
  const isDiscovery =
    method === 'HEAD' &&
    !path.startsWith(`/${PROTOCOL_SEGMENT}/`) &&
    request.headers.authorization === undefined &&
    httpStatus < 500;
  if (isDiscovery) log.debug(fields, 'asked where the protocol is');
  else if (error.code === 'network') log.info(fields, 'connection lost');
  else if (httpStatus >= 500) log.error({ ...fields, err: error }, 'request failed');
  else log.warn(fields, 'request refused');
  return isDiscovery;
}
