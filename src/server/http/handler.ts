/** What answers one kind of request. */
import type { Exchange } from './exchange.ts';

/**
 * Answers a request.
 *
 * @throws CairnError what the client is told
 */
export type Handler = (exchange: Exchange) => Promise<void>;

/** {@link Handler} of what has an id: a session, or a grant. */
export type IdHandler = (exchange: Exchange, id: string) => Promise<void>;

/** {@link Handler} of one chunk of a session. */
export type ChunkHandler = (exchange: Exchange, id: string, chunk: number) => Promise<void>;
