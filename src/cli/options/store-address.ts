/** The words that name the store of objects that several servers share. */
import { resolve } from 'node:path';
import { text, value } from './option.ts';
import { usage } from './usage.ts';

/** Where a store of objects is. */
export type StoreAddress = DirectoryAddress | BucketAddress;

/** A directory, by its absolute path. */
export interface DirectoryAddress {
  readonly directory: string;
}

/** A bucket, by the words of its options; what they leave out the environment says. */
export interface BucketAddress {
  /** `s3://BUCKET[/PREFIX]` */
  readonly url: string;
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
}

const EXAMPLE = '--store s3://files/cairn';

/** The options that name a bucket beside `--store`. */
export const BUCKET_OPTIONS = {
  s3Endpoint: value(
    '--s3-endpoint <url>',
    'the service of an s3:// store, where it is not AWS (also AWS_ENDPOINT_URL_S3)',
    parseEndpoint,
  ),
  s3Region: text('--s3-region <region>', 'its region (also AWS_REGION; default: us-east-1)'),
};

/** Reads the URL of a service of S3, with `{bucket}` in its host or without. @throws CairnError `usage` */
export function parseEndpoint(option: string, word: string): string {
  if (URL.canParse(word.replace('{bucket}', 'bucket'))) return word;
  throw usage(`${option} takes a URL, not "${word}"`, `${option} https://s3.example.org`);
}

/** The values of the options that name a store. */
export interface StoreWords {
  readonly store?: string | undefined;
  readonly s3Endpoint?: string | undefined;
  readonly s3Region?: string | undefined;
}

/** The store that the options name; undefined where they name none. @throws CairnError `usage` */
export function storeAddressOf({ store, s3Endpoint, s3Region }: StoreWords): StoreAddress | undefined {
  const isBucket = store?.startsWith('s3://') ?? false;
  if (!isBucket && (s3Endpoint ?? s3Region) !== undefined)
    throw usage('--s3-endpoint and --s3-region need --store s3://BUCKET', EXAMPLE);
  if (store === undefined) return undefined;
  if (isBucket) return { url: store, endpoint: s3Endpoint, region: s3Region };
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(store))
    throw usage(`--store takes a directory or s3://BUCKET, not "${store}"`, EXAMPLE);
  return { directory: resolve(store) };
}
