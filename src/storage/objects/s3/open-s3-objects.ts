/** Opens a bucket as a store of objects. */
import type { ObjectStore } from '../object-store.ts';
import { createExchanger } from './http-exchange.ts';
import { proveBucket } from './prove-bucket.ts';
import { createS3Client, type S3ClientParts } from './s3-client.ts';
import { createS3Objects } from './s3-objects.ts';
import type { S3Place } from './s3-place.ts';

/** Below the prefix of a place: the objects of this format. What lies beside them belongs to the store as a whole. */
const OBJECTS = 'v1/';

/** Options of {@link openS3Objects}. */
export interface S3Options {
  readonly credentials: S3ClientParts['credentials'];
  /** Certificates of the authorities to trust (PEM); undefined: those of Node. */
  readonly ca?: string | undefined;
  /** The place, for people. */
  readonly shown: string;
}

/** Opens the store, and proves that it can be one. @throws CairnError as `proveBucket` */
export async function openS3Objects(
  place: S3Place,
  { credentials, ca, shown }: S3Options,
): Promise<ObjectStore> {
  const client = createS3Client({ place, exchange: createExchanger(ca), credentials });
  await proveBucket(createS3Objects(client), shown);
  const prefix = `${place.prefix}${OBJECTS}`;
  return createS3Objects({ ...client, place: { ...place, prefix } });
}
