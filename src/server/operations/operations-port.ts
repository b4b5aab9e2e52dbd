/** `/healthz`, `/readyz` and `/metrics` on a port of their own, for those who watch over a server and have no token. */
import { CairnError } from '../../base/errors.ts';
import { drainBody, openExchange, type Exchange } from '../http/exchange.ts';
import { createHttpServer, listen, urlOf, type RequestListener } from '../http/listen.ts';
import { paceOf } from '../http/pace.ts';
import { sendProblem, tellableError } from '../http/reply.ts';
import { handleHealth, handleReadiness, sendMetrics } from './operations.ts';
import type { ServerContext } from '../server-context.ts';

/** A port that listens. */
export interface OperationsPort {
  /** Without a slash at its end. */
  readonly url: string;
  close(): Promise<void>;
}

const HANDLERS = new Map([
  ['/healthz', handleHealth],
  ['/readyz', handleReadiness],
  ['/metrics', sendMetrics],
]);

/** Starts to listen. @throws CairnError `address-in-use`, `address-unavailable` */
export async function openOperationsPort(
  context: ServerContext,
  where: { readonly host: string; readonly port: number },
): Promise<OperationsPort> {
  const onRequest: RequestListener = (request, response, awaitsContinue) => {
    const options = { pace: paceOf(context.limits), awaitsContinue, address: context.addressOf(request) };
    void serve(context, openExchange(request, response, options));
  };
  const { server, connections } = createHttpServer(
    { onRequest },
    { ...context, isTrustedProxy: () => false },
  );
  const port = await listen(server, where);
  return {
    url: urlOf('http', where.host, port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        connections.destroy();
      }),
  };
}

/** Answers one request; never rejects. */
async function serve(context: ServerContext, exchange: Exchange): Promise<void> {
  // No protocol is here that a client could look for.
  exchange.response.removeHeader('Link');
  try {
    const handler = HANDLERS.get(exchange.path);
    if (handler === undefined) throw new CairnError('not-found', 'here are /healthz, /readyz and /metrics');
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      const details = { allow: 'GET, HEAD' };
      throw new CairnError('method-not-allowed', `${exchange.method} is not possible here`, { details });
    }
    await handler(context, exchange);
  } catch (error) {
    const told = tellableError(error, context.hidePaths);
    if (told.code === 'internal') context.log.error({ err: error }, 'answering about the server failed');
    await sendProblem(exchange, told);
  } finally {
    void drainBody(exchange);
  }
}
