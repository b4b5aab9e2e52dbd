import { SESSION_ID_PATTERN } from '../../../wire/messages.ts';
import type { ContentStore } from '../../../storage/content-store.ts';

/**
 * Ids of the staging areas with names of sessions. A pull into the served directory has its own area beside them,
 * under a longer name, which only its client may free.
 */
export async function sessionAreas(content: Pick<ContentStore, 'listStaging'>): Promise<Set<string>> {
  const ids = await content.listStaging();
  return new Set(ids.filter((id) => SESSION_ID_PATTERN.test(id)));
}
