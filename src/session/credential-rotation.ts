/**
 * How the credential of a session changes hands. Every resume makes a new one; the one before is good for another resume
 * until the new one is used, since its answer may be lost. A client that shows an older one has a copy (OAuth 2.0 refresh token
 * rotation, RFC 9700 section 4.14.2, is the model).
 */
import { hashSecret, isSecret } from './credential.ts';

/** Hashes of the credentials of one session. */
export interface CredentialHashes {
  /** The one that requests show. */
  readonly credentialHash: string;
  /** The one before, as long as the current one was not used. */
  readonly previousCredentialHash?: string | undefined;
  /** Older ones, the newest first. */
  readonly retiredCredentialHashes?: readonly string[] | undefined;
  /** Retired ones that were used again, which is noticed once. */
  readonly noticedCredentialHashes?: readonly string[] | undefined;
  /** Set after an old one was used: none is good any more, until a client authenticates and resumes. */
  readonly credentialsRevoked?: boolean | undefined;
  readonly rotatedAtMs?: number | undefined;
}

/** Retired credentials that are remembered: each is a line of 64 characters in the record. */
const MAX_RETIRED = 64;
/** Requests that were on their way when their own client resumed may come so long after. */
export const STRAGGLER_MS = 30_000;

/** The hashes after a resume. `shown` is the credential that it was asked for with, if any. */
export function rotate(
  hashes: CredentialHashes,
  newHash: string,
  shown: string | undefined,
  nowMs: number,
): CredentialHashes {
  const { credentialHash: current, previousCredentialHash: previous, retiredCredentialHashes = [] } = hashes;
  const base = { credentialHash: newHash, credentialsRevoked: undefined, rotatedAtMs: nowMs };
  if (hashes.credentialsRevoked === true) {
    const retired = [current, ...(previous === undefined ? [] : [previous]), ...retiredCredentialHashes];
    return { ...base, previousCredentialHash: undefined, retiredCredentialHashes: newest(retired) };
  }
  // An answer that was lost leaves the client with the one before; the one in it was never seen.
  const isCurrentKnown = previous === undefined || (shown !== undefined && hashSecret(shown) === current);
  const [kept, dropped] = isCurrentKnown ? [current, previous] : [previous, current];
  const retired = dropped === undefined ? retiredCredentialHashes : [dropped, ...retiredCredentialHashes];
  return { ...base, previousCredentialHash: kept, retiredCredentialHashes: newest(retired) };
}

/** The hashes after the first use of the current credential. */
export function retirePrevious(hashes: CredentialHashes): Partial<CredentialHashes> {
  const { previousCredentialHash: previous, retiredCredentialHashes = [] } = hashes;
  if (previous === undefined) return {};
  return {
    previousCredentialHash: undefined,
    retiredCredentialHashes: newest([previous, ...retiredCredentialHashes]),
  };
}

/** Whether a resume may show this credential. */
export function mayResumeWith(hashes: CredentialHashes, shown: string): boolean {
  if (hashes.credentialsRevoked === true) return true; // the access token beside it decides alone
  const hash = hashSecret(shown);
  return hash === hashes.credentialHash || hash === hashes.previousCredentialHash;
}

/** Whether a credential is one that had been retired: a copy is in other hands. */
export function isRetired({ retiredCredentialHashes = [] }: CredentialHashes, shown: string): boolean {
  return retiredCredentialHashes.includes(hashSecret(shown));
}

/** Whether a credential is one that was replaced by a resume, however long ago. */
export function wasReplaced(hashes: CredentialHashes, shown: string): boolean {
  return isRetired(hashes, shown) || hashes.previousCredentialHash === hashSecret(shown);
}

/** Whether a credential is, or was, one of the session's: a client that shows another one is a stranger. */
export function isOfSession(hashes: CredentialHashes, shown: string): boolean {
  const { credentialHash, noticedCredentialHashes = [] } = hashes;
  return (
    isSecret(shown, credentialHash) ||
    wasReplaced(hashes, shown) ||
    noticedCredentialHashes.includes(hashSecret(shown))
  );
}

/** The hashes after a retired credential was shown: nobody's is good, and that one will not be noticed again. */
export function revoke(hashes: CredentialHashes, shown: string): Partial<CredentialHashes> {
  const hash = hashSecret(shown);
  const { retiredCredentialHashes = [], noticedCredentialHashes = [] } = hashes;
  return {
    credentialsRevoked: true,
    noticedCredentialHashes: newest([hash, ...noticedCredentialHashes]),
    retiredCredentialHashes: retiredCredentialHashes.filter((retired) => retired !== hash),
  };
}

function newest(hashes: readonly string[]): readonly string[] {
  return hashes.slice(0, MAX_RETIRED);
}
