/** Staging areas that belong to no session. */
import type { Logger } from '../../../base/logger.ts';
import type { ContentStore } from '../../../storage/content-store.ts';

/** Where orphans are looked for, and how long they have to be seen before they are freed. */
interface Orphanage {
  readonly content: Pick<ContentStore, 'openStaging'>;
  readonly now: () => number;
  readonly orphanStagingMs: number;
  readonly log: Logger;
}

/**
 * Makes what frees areas of which no run has seen a record for a while: it is given those of this run, and answers how
 * many it has freed. A new session makes its area before its record may be seen: only what stays without one is an orphan.
 *
 * @throws CairnError, storage codes
 */
export function createOrphanage({
  content,
  now,
  orphanStagingMs,
  log,
}: Orphanage): (areas: ReadonlySet<string>) => Promise<number> {
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
