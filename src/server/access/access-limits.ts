/** How often somebody may fail to authenticate, and how many may be let in by grants. */

/** Limits of access; times are in milliseconds. */
export interface AccessLimits {
  /** Failed authentications of one network address within `failedAuthenticationsOverMs`; then it has to wait. */
  readonly maxFailedAuthentications: number;
  readonly failedAuthenticationsOverMs: number;
  /** Most transfer grants that one owner may have at a time; they count until they expire. */
  readonly maxGrantsPerPrincipal: number;
  /** Most sessions with one transfer grant that are not at their end. */
  readonly maxSessionsPerGrant: number;
}

/** What is borne of those who ask for access unless told otherwise. */
export const DEFAULT_ACCESS_LIMITS: AccessLimits = {
  maxFailedAuthentications: 10,
  failedAuthenticationsOverMs: 60_000,
  maxGrantsPerPrincipal: 1000,
  // Whoever tries again after losing everything finds his session again; but a leaked grant must not fill the server.
  maxSessionsPerGrant: 16,
};
