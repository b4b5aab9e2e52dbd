/** The frame around every request: its answer, its failure, its log line, and what is left of its body. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { checkRequestLine, drainBody, openExchange, type Exchange } from './exchange.ts';
import { sendProblem, tellableError } from './reply.ts';
import { route } from '../router.ts';
import type { Logger, ServerContext } from '../server-context.ts';

const MAX_LOGGED_PATH = 300;

/** Answers one request; never rejects. */
export async function serveRequest(
  context: ServerContext,
  request: IncomingMessage,
  response: ServerResponse,
  options: { awaitsContinue: boolean; isDraining: boolean },
): Promise<void> {
  const { awaitsContinue, isDraining } = options;
  const exchange = openExchange(request, response, { idleMs: context.limits.idleBodyMs, awaitsContinue });
  try {
    checkRequestLine(exchange);
    if (isDraining) {
      response.setHeader('Connection', 'close');
      throw new CairnError('server-busy', 'the server is shutting down; try again when it is back');
    }
    await route(context, exchange);
  } catch (error) {
    const told = tellableError(error);
    logFailure(context.log, exchange, told);
    await sendProblem(exchange, told);
  } finally {
    drainBody(exchange);
  }
}

/** Neither headers nor query are logged: the first hold secrets, the second may. */
function logFailure(log: Logger, { method, path }: Exchange, error: CairnError): void {
  const fields = { method, path: printable(path.slice(0, MAX_LOGGED_PATH)), code: error.code, err: error };
  if (error.code === 'network') log.info(fields, 'connection lost');
  // A client asks so where the protocol is; that nothing is at its target yet is no failure.
  else if (method === 'HEAD' && error.code === 'not-found') log.debug(fields, 'nothing there');
  else if (error.traits.httpStatus >= 500) log.error(fields, 'request failed');
  else log.warn(fields, 'request refused');
}
