/** Frees staging areas that belong to no session. */
import type { Logger } from '../../../base/logger.ts';
import type { ContentStore } from '../../../storage/content-store.ts';

/** The store of the areas, and how long an area stays before it is freed. */
interface OrphanOptions {
  readonly content: Pick<ContentStore, 'openStaging'>;
  readonly now: () => number;
  readonly orphanStagingMs: number;
  readonly log: Logger;
}

/**
 * Makes the function that frees areas without a record: it is given those of one run, and answers how many it has
 * freed. A new session makes its area before its record shows, so only an area that stays without one is an orphan.
 *
 * @throws CairnError, storage codes
 */
export function createOrphanCollector({
  content,
  now,
  orphanStagingMs,
  log,
}: OrphanOptions): (areas: ReadonlySet<string>) => Promise<number> {
  const orphans = new Map<string, number>();
  return async (areas) => {
    const nowMs = now();
    let freed = 0;
    for (const id of orphans.keys()) if (!areas.has(id)) orphans.delete(id);
    for (const id of areas) {
      const since = orphans.get(id) ?? nowMs;
      orphans.set(id, since);
      if (nowMs - since < orphanStagingMs) continue;
      const area = await content.openStaging(id);
      await area.discard();
      freed += 1;
      orphans.delete(id);
      log.warn({ session: id }, 'freed a staging area that belonged to no session');
    }
    return freed;
  };
}
