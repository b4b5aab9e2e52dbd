/** `/.cairn/healthz`, `/.cairn/readyz` and `/.cairn/metrics`: for whoever watches over the server. */
import { CairnError } from '../../base/errors.ts';
import type { ExposedMetrics } from './metrics.ts';
import type { Access } from '../http/authorize.ts';
import type { Handler } from '../http/handler.ts';
import { sendJson, sendText } from '../http/reply.ts';
import type { Readiness } from './readiness.ts';

/** The process lives and answers: nothing more is said. */
export const handleHealth: Handler = (exchange) => sendJson(exchange, 200, { status: 'ok' });

/** Makes what says whether the server can take what is sent to it: 200, or 503 with what is in the way. */
export function createReadinessHandler(readiness: Pick<Readiness, 'look'>): Handler {
  return async (exchange) => {
    const problems = await readiness.look();
    if (problems.length === 0) return sendJson(exchange, 200, { status: 'ready' });
    exchange.response.setHeader('Retry-After', '5');
    return sendJson(exchange, 503, { status: 'not-ready', problems });
  };
}

/** Makes what says what the server has counted, to whoever got so far; `not-found` where nothing is counted. */
export function createMetricsHandler(exposed: ExposedMetrics | undefined): Handler {
  return async (exchange) => {
    if (exposed === undefined) throw new CairnError('not-found', 'this server counts nothing');
    const { type, text } = await exposed.page();
    await sendText(exchange, 200, type, text);
  };
}

/** The same for tokens with the scope `admin` alone. */
export function forAdministrators({ authorize }: Pick<Access, 'authorize'>, handler: Handler): Handler {
  return async (exchange) => {
    await authorize(exchange, 'admin', undefined);
    await handler(exchange);
  };
}
