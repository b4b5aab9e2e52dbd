/** Where things are in every world of nodes. */
import { parseS3Place } from '../../../src/storage/objects/s3/s3-place.ts';

/** The bucket, and the prefix of the store in it. */
export const STORE = parseS3Place({ url: 's3://bucket/store', endpoint: 'http://store.test' });

/** What stands before the key in the path of a request. */
export const BUCKET_PATH = `${STORE.pathBefore}/`;

/** The key of the root of the published tree. */
export const ROOT_KEY = `${STORE.prefix}i/root`;
