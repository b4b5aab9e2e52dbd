/** `/.cairn/healthz`, `/.cairn/readyz` and `/.cairn/metrics`: for whoever watches over the server. */
import { CairnError } from '../../base/errors.ts';
import { authorize } from '../http/authorize.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendJson, sendText } from '../http/reply.ts';
import type { ServerContext } from '../server-context.ts';

/** The process lives and answers: nothing more is said. */
export function handleHealth(_context: ServerContext, exchange: Exchange): Promise<void> {
  return sendJson(exchange, 200, { status: 'ok' });
}

/** Whether it can take what is sent to it: 200, or 503 with what is in the way. */
export async function handleReadiness({ readiness }: ServerContext, exchange: Exchange): Promise<void> {
  const problems = await readiness.look();
  if (problems.length === 0) return sendJson(exchange, 200, { status: 'ready' });
  exchange.response.setHeader('Retry-After', '5');
  return sendJson(exchange, 503, { status: 'not-ready', problems });
}

/** What the server has counted; for tokens with the scope `admin`. */
export async function handleMetrics(context: ServerContext, exchange: Exchange): Promise<void> {
  await authorize(context, exchange, 'admin', undefined);
  await sendMetrics(context, exchange);
}

/** What the server has counted, for whoever got so far. @throws CairnError `not-found` where nothing is counted */
export async function sendMetrics({ exposed }: ServerContext, exchange: Exchange): Promise<void> {
  if (exposed === undefined) throw new CairnError('not-found', 'this server counts nothing');
  const { type, text } = await exposed.page();
  await sendText(exchange, 200, type, text);
}
