/** Where a bucket is, and how its URLs look. */
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { checkKey } from '../object-key.ts';

/** A place in a bucket of a service that speaks S3. */
export interface S3Place {
  readonly bucket: string;
  /** Before every key: empty, or with a slash at its end. */
  readonly prefix: string;
  readonly region: string;
  /** Origin of all requests, and what stands before a key in their path: empty, or `/BUCKET`. */
  readonly origin: URL;
  readonly pathBefore: string;
}

/** The words that name a place. */
export interface S3Words {
  /** `s3://BUCKET[/PREFIX]`. */
  readonly url: string;
  /** Undefined: that of AWS. With `{bucket}` in its host the bucket is part of the host name, else of the path. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
}

const SCHEME = 's3://';
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION = /^[a-z0-9-]{1,40}$/;
const DEFAULT_REGION = 'us-east-1';
/** Room for the longest keys of the store below it; S3 allows 1024 bytes. */
const MAX_PREFIX_LENGTH = 200;

/** Reads the words. @throws CairnError `config-invalid` */
export function parseS3Place({ url, endpoint, region = DEFAULT_REGION }: S3Words): S3Place {
  const path = url.startsWith(SCHEME) ? url.slice(SCHEME.length) : '';
  const [bucket = ''] = path.split('/', 1);
  const rest = path.slice(bucket.length + 1);
  if (!BUCKET.test(bucket) || bucket.includes('..'))
    throw invalid(`"${printable(url)}" names no bucket: it has to be s3://BUCKET or s3://BUCKET/PREFIX`);
  if (!REGION.test(region)) throw invalid(`"${printable(region)}" is no region of S3, such as eu-central-1`);
  const name = rest.replace(/\/$/, '');
  if (name !== '') checkPrefixOf(url, name);
  const prefix = name === '' ? '' : `${name}/`;
  // Certificates of AWS cover one label: a bucket with a dot goes into the path.
  const usual = bucket.includes('.')
    ? `https://s3.${region}.amazonaws.com`
    : `https://{bucket}.s3.${region}.amazonaws.com`;
  const word = endpoint ?? usual;
  const isInHost = word.includes('{bucket}');
  const origin = originOf(word.replace('{bucket}', bucket), word);
  return { bucket, prefix, region, origin, pathBefore: isInHost ? '' : `/${bucket}` };
}

function checkPrefixOf(url: string, name: string): void {
  try {
    checkKey(name);
  } catch (error) {
    throw invalid(
      `the prefix in "${printable(url)}" cannot begin keys: use letters, digits, ".", "_", "-" and "/"`,
      error,
    );
  }
  if (name.length > MAX_PREFIX_LENGTH)
    throw invalid(`the prefix in "${printable(url)}" is longer than ${MAX_PREFIX_LENGTH} characters`);
}

function originOf(text: string, word: string): URL {
  const origin = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain =
    origin !== undefined &&
    /^https?:$/.test(origin.protocol) &&
    /^\/?$/.test(origin.pathname) &&
    `${origin.search}${origin.hash}${origin.username}${origin.password}` === '';
  if (origin === undefined || !isPlain)
    throw invalid(`"${printable(word)}" is no endpoint of S3, such as https://s3.example.org`);
  return origin;
}

function invalid(message: string, cause?: unknown): CairnError {
  return new CairnError('config-invalid', message, { cause });
}
