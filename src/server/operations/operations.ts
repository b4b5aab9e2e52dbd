/** `/.cairn/healthz`, `/.cairn/readyz` and `/.cairn/metrics`: for the monitoring of the server. */
import { CairnError } from '../../base/errors.ts';
import type { ExposedMetrics } from './metrics.ts';
import type { Access } from '../http/authorize.ts';
import type { Handler } from '../http/handler.ts';
import { sendJson, sendText } from '../http/reply.ts';
import type { Readiness } from './readiness.ts';

/** Answers 200 as long as the process lives. */
export const handleHealth: Handler = (exchange) => sendJson(exchange, 200, { status: 'ok' });

/** Makes the handler that answers 200 where the server can take uploads, or 503 with the problems. */
export function createReadinessHandler(readiness: Pick<Readiness, 'look'>): Handler {
  return async (exchange) => {
    const problems = await readiness.look();
    if (problems.length === 0) return sendJson(exchange, 200, { status: 'ready' });
    exchange.response.setHeader('Retry-After', '5');
    return sendJson(exchange, 503, { status: 'not-ready', problems });
  };
}

/** Makes the handler of the metrics page, which checks no token; `not-found` where the server counts nothing. */
export function createMetricsHandler(exposed: ExposedMetrics | undefined): Handler {
  return async (exchange) => {
    if (exposed === undefined) throw new CairnError('not-found', 'this server keeps no metrics');
    const { type, text } = await exposed.page();
    await sendText(exchange, 200, type, text);
  };
}

/** Restricts a handler to tokens with the scope `admin`. */
export function forAdministrators({ authorize }: Pick<Access, 'authorize'>, handler: Handler): Handler {
  return async (exchange) => {
    await authorize(exchange, 'admin', undefined);
    await handler(exchange);
  };
}
