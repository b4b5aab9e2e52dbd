/** How much one client may ask of connections, heads and bodies, and how slowly. */

/** Limits of connections and messages; times are in milliseconds. */
export interface HttpLimits {
  /** A body, of a request or an answer, of which no byte moved for so long is ended. */
  readonly idleBodyMs: number;
  /** A body that moves slower than this, in bytes a second on average over `bodyRateOverMs`, is ended. */
  readonly minBodyRate: number;
  /** Only the time that the other side lets this one wait counts. */
  readonly bodyRateOverMs: number;
  /** Most connections at a time. */
  readonly maxConnections: number;
  /** Most connections of one network address at a time; of IPv6, of a /64. */
  readonly maxConnectionsPerAddress: number;
  /** The headers of a request must have come within so long. */
  readonly headersMs: number;
  /** A connection without a request is kept for so long. */
  readonly keepAliveMs: number;
  /** A connection, or a channel, without a request is left alone for so long where others need its place. */
  readonly leastIdleMs: { readonly connection: number; readonly channel: number };
  /** Longest headers of a request with its request line, in bytes. */
  readonly maxHeaderBytes: number;
  /** Most header fields of a request. */
  readonly maxHeaders: number;
  /** Longest target of a request, in bytes. */
  readonly maxTargetBytes: number;
  /** Longest JSON message, in bytes. */
  readonly maxJsonBytes: number;
  /** Longest JSON message that carries runs (plan, digests, commit), in bytes. */
  readonly maxRunsBytes: number;
}

/** What is borne of connections and messages unless told otherwise. */
export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  idleBodyMs: 30_000,
  minBodyRate: 64,
  bodyRateOverMs: 60_000,
  maxConnections: 4096,
  maxConnectionsPerAddress: 256,
  headersMs: 30_000,
  keepAliveMs: 75_000,
  // A channel is opened for chunks that are about to come.
  leastIdleMs: { connection: 1000, channel: 3000 },
  maxHeaderBytes: 16 * 1024,
  maxHeaders: 100,
  // The longest path, each byte of it percent-encoded.
  maxTargetBytes: 12 * 1024,
  maxJsonBytes: 64 * 1024,
  maxRunsBytes: 16 * 1024 * 1024,
};
