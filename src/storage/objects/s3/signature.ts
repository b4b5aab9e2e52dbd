/**
 * Signs requests for S3 by Signature Version 4 of AWS. Pure; the tests hold the examples that AWS has published
 * (docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
 */
import { createHash, createHmac } from 'node:crypto';

/** The keys of an account or a role. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of keys that expire. */
  readonly sessionToken?: string | undefined;
}

/** A request that is to be signed. */
export interface Signable {
  readonly method: string;
  /** Percent-encoded, with the slash at its beginning. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case; with `host`. All of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** SHA-256 of the body, 64 hex digits. */
  readonly bodySha256: string;
}

/** By whom, where and when a request is signed. */
export interface Signing {
  readonly credentials: S3Credentials;
  readonly region: string;
  /** Milliseconds since 1970; a service refuses those that are more than 15 minutes away from its own. */
  readonly atMs: number;
}

/** SHA-256 of no bytes. */
export const EMPTY_SHA256 = createHash('sha256').digest('hex');

const ALGORITHM = 'AWS4-HMAC-SHA256';
const SERVICE = 's3';

/** The headers of a request with its signature: those given, and those of the time, the digest and the token. */
export function signedHeaders(
  { method, path, query, headers, bodySha256 }: Signable,
  { credentials, region, atMs }: Signing,
): Record<string, string> {
  const time = new Date(atMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
  const day = time.slice(0, 8);
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const signed: Record<string, string> = {
    ...headers,
    'x-amz-content-sha256': bodySha256,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  };
  const names = Object.keys(signed).toSorted();
  const lines = names.map((name) => `${name}:${signed[name]!.trim().replaceAll(/ +/g, ' ')}\n`);
  const canonical = [method, path, canonicalQuery(query), lines.join(''), names.join(';'), bodySha256].join(
    '\n',
  );
  const scope = [day, region, SERVICE, 'aws4_request'].join('/');
  const text = [ALGORITHM, time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const key = [day, region, SERVICE, 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${secretAccessKey}`,
  );
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const credential = `Credential=${accessKeyId}/${scope}`;
  signed['authorization'] =
    `${ALGORITHM} ${credential},SignedHeaders=${names.join(';')},Signature=${signature}`;
  return signed;
}

/** A query as it is signed and sent: sorted, each name and value percent-encoded. */
export function canonicalQuery(query: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(query).map(([name, value]) => [percentEncoded(name), percentEncoded(value)]);
  return pairs
    .toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1))
    .map((pair) => pair.join('='))
    .join('&');
}

/** Encodes all but the unreserved characters of RFC 3986. */
function percentEncoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
