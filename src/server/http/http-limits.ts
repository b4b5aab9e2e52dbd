/** The limits of connections, heads and bodies, and their defaults. */

/** Limits of connections and messages; times are in milliseconds. */
export interface HttpLimits {
  /** The server ends a body, of a request or an answer, when none of its bytes has moved for so long. */
  readonly idleBodyMs: number;
  /** The server ends a body that moves slower than this: bytes a second, on average over `bodyRateOverMs`. */
  readonly minBodyRate: number;
  /** Only time counts in which this side waits for the other. */
  readonly bodyRateOverMs: number;
  /** Most connections at a time. */
  readonly maxConnections: number;
  /** Most connections of one network address at a time; for IPv6, of one /64. */
  readonly maxConnectionsPerAddress: number;
  /** Time within which the headers of a request must arrive. */
  readonly headersMs: number;
  /** Time for which the server keeps a connection without a request. */
  readonly keepAliveMs: number;
  /** For so long the server does not close a connection, or a channel, without a request to make room for others. */
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

/** The limits unless options set others. */
export const DEFAULT_HTTP_LIMITS: HttpLimits = {
  idleBodyMs: 30_000,
  minBodyRate: 64,
  bodyRateOverMs: 60_000,
  maxConnections: 4096,
  maxConnectionsPerAddress: 256,
  headersMs: 30_000,
  keepAliveMs: 75_000,
  // A client opens a channel for chunks that it is about to send.
  leastIdleMs: { connection: 1000, channel: 3000 },
  maxHeaderBytes: 16 * 1024,
  maxHeaders: 100,
  // The longest path with each byte percent-encoded.
  maxTargetBytes: 12 * 1024,
  maxJsonBytes: 64 * 1024,
  maxRunsBytes: 16 * 1024 * 1024,
};
