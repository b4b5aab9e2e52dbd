/**
 * Secrets: session credentials and access tokens are 256 random bits; cairn stores only their SHA-256. A plain hash is
 * enough for that much entropy; a password would need more.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** A new secret for its owner, and the hash to store. */
export interface IssuedSecret {
  /** 43 characters of base64url. */
  readonly secret: string;
  /** SHA-256 of the secret's text, 64 hex digits. */
  readonly hash: string;
}

/** Issues a new secret. */
export function issueSecret(random: (bytes: number) => Buffer = randomBytes): IssuedSecret {
  const secret = random(32).toString('base64url');
  return { secret, hash: hashSecret(secret) };
}

/** The stored hash of a secret: SHA-256 of its text, 64 hex digits. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Whether `hash` is that of `secret`, in constant time. */
export function isSecret(secret: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(secret), 'hex'), Buffer.from(hash, 'hex'));
}

/** A new session id: 128 random bits, 22 characters of base64url. It names a session and proves nothing. */
export function createSessionId(random: (bytes: number) => Buffer = randomBytes): string {
  return random(16).toString('base64url');
}

/**
 * The session id for one request of one principal, the same for every attempt. No client can predict it without the
 * server's key.
 */
export function sessionIdOf(key: Uint8Array, principal: string, requestId: string): string {
  const hash = createHmac('sha256', key).update(`cairn session\n${requestId}\n${principal}`).digest();
  return hash.subarray(0, 16).toString('base64url');
}
