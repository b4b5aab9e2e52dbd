/** Content as objects in memory: what many nodes share, in one process. */
import type { ContentStore } from '../../../src/storage/content-store.ts';
import {
  createObjectContent,
  type ObjectContentOptions,
} from '../../../src/storage/object-content/object-content.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';

/** A content store over `objects`; each server over the same ones sees what the others do. */
export function createMemoryContentStore(
  objects: ObjectStore = createMemoryObjects(),
  options: ObjectContentOptions = {},
): ContentStore {
  return createObjectContent(objects, options);
}
