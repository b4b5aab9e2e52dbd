import { SESSION_ID_PATTERN } from '../../../wire/messages.ts';
import type { ContentStore } from '../../../storage/content-store.ts';

/**
 * Ids of the staging areas that are named as sessions are. A pull into the very directory that is served keeps an area
 * of its own beside them, under a longer name: only its client may free that.
 */
export async function sessionAreas(content: Pick<ContentStore, 'listStaging'>): Promise<Set<string>> {
  const ids = await content.listStaging();
  return new Set(ids.filter((id) => SESSION_ID_PATTERN.test(id)));
}
