/** `/healthz`, `/readyz` and `/metrics` on a port of their own, for monitoring without a token. */
import { CairnError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import type { HidePaths } from '../core/own-paths.ts';
import type { AddressReader } from '../http/client-address.ts';
import type { Handler } from '../http/handler.ts';
import { drainBody, openExchange, type Exchange } from '../http/exchange.ts';
import { createHttpServer, listen, urlOf, type ListenContext, type RequestListener } from '../http/listen.ts';
import { paceOf } from '../http/body-pace.ts';
import { sendProblem, tellableError } from '../http/reply.ts';

/** A port that listens. */
export interface OperationsPort {
  /** Without a slash at its end. */
  readonly url: string;
  close(): Promise<void>;
}

/** The handlers of the port, and what they need to answer and to log failures. */
export interface Answers {
  /** By path. */
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly addressOf: AddressReader;
  readonly hidePaths: HidePaths;
  readonly log: Logger;
}

/** Opens the port. @throws CairnError `address-in-use`, `address-unavailable` */
export async function openOperationsPort(
  answers: Answers,
  listening: Omit<ListenContext, 'isTrustedProxy'>,
  where: { readonly host: string; readonly port: number },
): Promise<OperationsPort> {
  const onRequest: RequestListener = (request, response, awaitsContinue) => {
    const options = { pace: paceOf(listening.limits), awaitsContinue, address: answers.addressOf(request) };
    void serve(answers, openExchange(request, response, options));
  };
  const { server, connections } = createHttpServer(
    { onRequest },
    { ...listening, isTrustedProxy: () => false },
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
async function serve({ handlers, hidePaths, log }: Answers, exchange: Exchange): Promise<void> {
  // This port does not serve the protocol.
  exchange.response.removeHeader('Link');
  try {
    const handler = handlers.get(exchange.path);
    if (handler === undefined)
      throw new CairnError('not-found', 'this port answers only /healthz, /readyz and /metrics');
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      const details = { allow: 'GET, HEAD' };
      throw new CairnError('method-not-allowed', `${exchange.method} is not possible here`, { details });
    }
    await handler(exchange);
  } catch (error) {
    const told = tellableError(error, hidePaths);
    if (told.code === 'internal')
      log.error({ err: error }, 'answering a request for health or metrics failed');
    await sendProblem(exchange, told);
  } finally {
    void drainBody(exchange);
  }
}
