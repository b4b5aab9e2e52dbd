/** Opens the store of objects that a server shares with others. */
import type { Logger } from '../../../base/logger.ts';
import { firstTokenPath } from '../../../server/access/first-token.ts';
import { joinStore, type JoinedStore } from '../../../server/core/nodes/join-store.ts';
import { adoptCopy, refuseUnfinished } from '../../../storage/copy/copy-mark.ts';
import { createObjectContent } from '../../../storage/object-content/object-content.ts';
import { createDocumentSessions } from '../../../storage/state/document-sessions.ts';
import { createObjectState } from '../../../storage/state/objects/object-state.ts';
import { withRecentVersions } from '../../../storage/state/recent-sessions.ts';
import { withBell } from '../../../storage/state/rung-state.ts';
import { openNodeDirectory, openStore } from '../../access/shared-store.ts';
import { openServedRedis } from './serve-redis.ts';
import type { StateStore } from '../../../storage/state/state-store.ts';
import type { StoreSettings } from './serve-settings.ts';
import type { ServedStores } from './served-stores.ts';

/** Opens it, with the directory of this server. @throws CairnError `config-invalid`, `not-found`, storage codes */
export async function openServedStore(
  { store, state: own, redis }: Pick<StoreSettings, 'store' | 'state' | 'redis'>,
  log: Pick<Logger, 'info' | 'warn'>,
): Promise<ServedStores> {
  const opened = await openStore(store);
  const directory = await openNodeDirectory(opened, own);
  const { shown } = opened;
  const documents = createObjectState(opened.objects);
  await refuseUnfinished(documents, shown);
  const memory =
    redis === undefined ? undefined : await openServedRedis(redis, opened.id, { env: process.env, log });
  const joined = await join(documents, shown, log).catch((error: unknown) => {
    memory?.close();
    throw error;
  });
  const state = memory === undefined ? documents : withBell(documents, memory);
  const onIncident = (incident: object): void => log.warn(incident, 'left as it is');
  const records = createDocumentSessions(state, onIncident);
  const content = createObjectContent(opened.objects);
  return {
    shown,
    content,
    closeContent: async () => {
      memory?.close();
      await content.close();
      await joined.leave();
    },
    lost: joined.lost,
    node: joined,
    sessions: memory === undefined ? records : withRecentVersions(records, memory),
    state,
    memory,
    tokens: { state, secretFile: firstTokenPath(directory) },
    places: opened.places,
    ownDirectories: [...opened.ownDirectories, { path: directory, shownAs: '(state)' }],
  };
}

/** Joins the other servers, and makes a copy a store of its own then: from then on no copy into it goes on. */
async function join(state: StateStore, shown: string, log: Pick<Logger, 'warn'>): Promise<JoinedStore> {
  const joined = await joinStore({ state, shown, log });
  try {
    await adoptCopy(state, shown);
    return joined;
  } catch (error) {
    await joined.leave();
    throw error;
  }
}
