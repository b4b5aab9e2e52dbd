/** Promise: when all sessions have ended, the store holds the published tree and what nodes keep for themselves, and nothing else. */
import type { NodesWorld } from './nodes-world.ts';
import { STORE } from './place.ts';
import type { PublishedWatch } from './published-tree.ts';

/** What stays: the root, and the lease of the node that collects. */
const STAYS = new Set(['i/root', 'l/collector']);

/** Looks at all objects. */
export function checkNothingLeft(world: NodesWorld, published: PublishedWatch): void {
  const left = [...world.bucket.objects.keys()].filter(
    (key) => !published.named.has(key) && !STAYS.has(key.slice(STORE.prefix.length)),
  );
  if (left.length > 0)
    world.break('everything is collected', `${left.length} objects are left, such as ${left[0]}`);
}
