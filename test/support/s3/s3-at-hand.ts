/** How tests open a bucket. */
import { createExchanger } from '../../../src/storage/objects/s3/http-exchange.ts';
import {
  createS3Client,
  type S3Client,
  type S3ClientParts,
} from '../../../src/storage/objects/s3/s3-client.ts';
import { parseS3Place } from '../../../src/storage/objects/s3/s3-place.ts';

const KEYS = { accessKeyId: 'cairntest', secretAccessKey: 'cairntestsecret' };

/** A client of a bucket at an endpoint; it waits for nothing between two tries unless it is told to. */
export function clientAt(
  url: string,
  endpoint: string,
  parts: Partial<Omit<S3ClientParts, 'place'>> = { wait: async () => undefined },
): S3Client {
  return createS3Client({
    place: parseS3Place({ url, endpoint }),
    exchange: createExchanger(undefined),
    credentials: async () => KEYS,
    ...parts,
  });
}
