import { CairnError, type ErrorCode } from '../../../base/errors.ts';
import { contentLengthOf, drainBody, type Exchange } from '../../http/exchange.ts';

/** How long the server reads the rest of a refused document. */
const DRAIN_MS = 60_000;
const REFUSED_FOR_SIZE: ReadonlySet<ErrorCode> = new Set(['quota-exceeded', 'server-busy', 'storage-full']);

/**
 * Reads a document that was refused for its size to the end, and throws its error: its sender writes all of it before it
 * reads an answer, and a proxy may close the connection after that.
 */
export async function refuseDocument(exchange: Exchange, error: unknown, maxBytes: number): Promise<never> {
  const isRefused = error instanceof CairnError && REFUSED_FOR_SIZE.has(error.code);
  const isBounded = (contentLengthOf(exchange) ?? Infinity) <= maxBytes;
  if (isRefused && isBounded && !exchange.awaitsContinue)
    await drainBody(exchange, { maxBytes, maxMs: DRAIN_MS });
  throw error;
}
