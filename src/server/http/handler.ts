/** The types of request handlers. */
import type { Exchange } from './exchange.ts';

/**
 * Answers a request.
 *
 * @throws CairnError that becomes the client's problem document
 */
export type Handler = (exchange: Exchange) => Promise<void>;

/** {@link Handler} for a resource with an id: a session, or a grant. */
export type IdHandler = (exchange: Exchange, id: string) => Promise<void>;

/** {@link Handler} for one chunk of a session. */
export type ChunkHandler = (exchange: Exchange, id: string, chunk: number) => Promise<void>;
