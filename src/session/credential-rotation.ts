/**
 * Rotates the credential of a session. Every resume makes a new one; the one before allows another resume until the new
 * one is used, since the answer may be lost. A client that shows an older one has a copy (the model is the refresh
 * token rotation of OAuth 2.0, RFC 9700 section 4.14.2).
 */
import { hashSecret, isSecret } from './credential.ts';

/** Hashes of the credentials of one session. */
export interface CredentialHashes {
  /** The current one. */
  readonly credentialHash: string;
  /** The one before, until the current one is used. */
  readonly previousCredentialHash?: string | undefined;
  /** Older ones, the newest first. */
  readonly retiredCredentialHashes?: readonly string[] | undefined;
  /** Retired ones that a client has used again; the server notices each once. */
  readonly noticedCredentialHashes?: readonly string[] | undefined;
  /** Set after a client used a retired one: none is valid until a client authenticates and resumes. */
  readonly credentialsRevoked?: boolean | undefined;
  readonly rotatedAtMs?: number | undefined;
}

/** Most retired credentials in a record: each takes 64 characters. */
const MAX_RETIRED = 64;
/** Requests that were on their way when their own client resumed may arrive so long after. */
export const STRAGGLER_MS = 30_000;

/** The hashes after a resume. `shown` is the credential in the request, if any. */
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
  // After a lost answer the client still has the one before; it has never seen the current one.
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
  if (hashes.credentialsRevoked === true) return true; // the access token in the request decides alone
  const hash = hashSecret(shown);
  return hash === hashes.credentialHash || hash === hashes.previousCredentialHash;
}

/** Whether a credential is a retired one, which only a client with a copy shows. */
export function isRetired({ retiredCredentialHashes = [] }: CredentialHashes, shown: string): boolean {
  return retiredCredentialHashes.includes(hashSecret(shown));
}

/** Whether a resume has replaced a credential, however long ago. */
export function wasReplaced(hashes: CredentialHashes, shown: string): boolean {
  return isRetired(hashes, shown) || hashes.previousCredentialHash === hashSecret(shown);
}

/** Whether a credential is, or was, one of the session: a client that shows another one is a stranger. */
export function isOfSession(hashes: CredentialHashes, shown: string): boolean {
  const { credentialHash, noticedCredentialHashes = [] } = hashes;
  return (
    isSecret(shown, credentialHash) ||
    wasReplaced(hashes, shown) ||
    noticedCredentialHashes.includes(hashSecret(shown))
  );
}

/** The hashes after a client has shown a retired credential: none is valid, and the server will not notice it again. */
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
