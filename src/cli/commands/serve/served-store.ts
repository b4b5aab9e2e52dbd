/** Opens the store of objects that a server shares with others. */
import type { Logger } from '../../../base/logger.ts';
import { firstTokenPath } from '../../../server/access/first-token.ts';
import { joinStore } from '../../../server/core/nodes/join-store.ts';
import { adoptCopy } from '../../../storage/copy/copy-mark.ts';
import { createObjectContent } from '../../../storage/object-content/object-content.ts';
import { createDocumentSessions } from '../../../storage/state/document-sessions.ts';
import { createObjectState } from '../../../storage/state/objects/object-state.ts';
import { openNodeDirectory, openStore } from '../../access/shared-store.ts';
import type { StoreSettings } from './serve-settings.ts';
import type { ServedStores } from './served-stores.ts';

/** Opens it, with the directory of this server. @throws CairnError `config-invalid`, `not-found`, storage codes */
export async function openServedStore(
  { store, state: own }: Pick<StoreSettings, 'store' | 'state'>,
  log: Pick<Logger, 'warn'>,
): Promise<ServedStores> {
  const opened = await openStore(store);
  const directory = await openNodeDirectory(opened, own);
  const state = createObjectState(opened.objects);
  const { shown } = opened;
  await adoptCopy(state, shown);
  const joined = await joinStore({ state, shown, log });
  const content = createObjectContent(opened.objects);
  const onIncident = (incident: object): void => log.warn(incident, 'left as it is');
  return {
    shown,
    content,
    closeContent: async () => {
      await content.close();
      await joined.leave();
    },
    lost: joined.lost,
    node: joined,
    sessions: createDocumentSessions(state, onIncident),
    state,
    tokens: { state, secretFile: firstTokenPath(directory) },
    places: opened.places,
    ownDirectories: [...opened.ownDirectories, { path: directory, shownAs: '(state)' }],
  };
}
