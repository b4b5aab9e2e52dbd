/** How often a client may fail to authenticate, and how many sessions grants may open. */

/** Limits of access; times are in milliseconds. */
export interface AccessLimits {
  /** Failed authentications of one network address within `failedAuthenticationsOverMs`; after them it has to wait. */
  readonly maxFailedAuthentications: number;
  readonly failedAuthenticationsOverMs: number;
  /** Most transfer grants that one owner may have at a time; they count until they expire. */
  readonly maxGrantsPerPrincipal: number;
  /** Most unfinished sessions with one transfer grant. */
  readonly maxSessionsPerGrant: number;
}

/** The limits of access by default. */
export const DEFAULT_ACCESS_LIMITS: AccessLimits = {
  maxFailedAuthentications: 10,
  failedAuthenticationsOverMs: 60_000,
  maxGrantsPerPrincipal: 1000,
  // A client that lost its state finds its session again, but a leaked grant must not fill the server.
  maxSessionsPerGrant: 16,
};
