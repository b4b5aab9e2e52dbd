/** Walks through directories for one answer: each holds descriptors, and the disk. */
import { createFew } from './among-few.ts';

/** A scan of a tree, as soon as there is a place for it. */
export const amongScans = createFew({ max: 32, maxOfPrincipal: 8, waitMs: 20_000 }, 'scans');

/** Bytes that were read of manifests that are coming: these are in memory. The largest are read one by one. */
export const amongManifests = createFew(
  { max: 256 * 1024 ** 2, maxOfPrincipal: 128 * 1024 ** 2, waitMs: 20_000 },
  'manifests',
);
