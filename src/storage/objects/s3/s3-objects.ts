/** Objects in a bucket of a service that speaks S3, and lets a put have a condition. */
import { CairnError } from '../../../base/errors.ts';
import { checkKey, checkPrefix } from '../object-key.ts';
import type { ObjectHead, ObjectStore } from '../object-store.ts';
import { listS3Objects } from './list-s3-objects.ts';
import { timeOf } from './object-head.ts';
import { putS3Object } from './put-s3-object.ts';
import { getS3Object } from './read-s3-object.ts';
import { removeS3Objects } from './remove-s3-objects.ts';
import { failureError } from './s3-failure.ts';
import type { S3Client } from './s3-client.ts';

/** S3 takes as much by one request. */
const MAX_OBJECT_BYTES = 5 * 1024 ** 3;

/** The store over a client; there is nothing to close. Whether the bucket can be one, `proveBucket` finds out. */
export function createS3Objects(client: S3Client): ObjectStore {
  return {
    capabilities: { shared: true, maxObjectBytes: MAX_OBJECT_BYTES },
    put: async (key, body, options = {}) => {
      checkKey(key);
      return putS3Object(client, key, body, { ...options, maxBytes: MAX_OBJECT_BYTES });
    },
    get: async (key, options = {}) => {
      checkKey(key);
      return getS3Object(client, key, options);
    },
    list: async function* (prefix, after = ''): AsyncGenerator<ObjectHead> {
      checkPrefix(prefix);
      yield* listS3Objects(client, prefix, after);
    },
    remove: async (keys) => {
      for (const key of keys) checkKey(key);
      await removeS3Objects(client, keys);
    },
    now: () => timeOfStore(client),
  };
}

/** The time of the head of an answer, in whole seconds, as objects have theirs. */
async function timeOfStore(client: S3Client): Promise<number> {
  const doing = 'asking the store for its time';
  const { headers, body, failure } = await client.send({ method: 'HEAD', doing });
  body.resume();
  if (failure !== undefined) throw failureError(failure, doing);
  if (headers.date === undefined) throw new CairnError('storage-io', `the store tells none while ${doing}`);
  return timeOf(headers.date);
}
