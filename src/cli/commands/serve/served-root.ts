/** Opens the root and the state of a server that has them for itself. */
import { join } from 'node:path';
import { RESERVED_NAME } from '../../../base/safe-path.ts';
import type { Logger } from '../../../base/logger.ts';
import { firstTokenPath } from '../../../server/access/first-token.ts';
import { openLastSeen } from '../../../server/core/last-seen.ts';
import { openLocalDisk } from '../../../storage/disk/local-disk.ts';
import { storagePlace } from '../../../storage/disk/tree/storage-place.ts';
import { openFileState } from '../../../storage/state/files/file-state.ts';
import { openKeptCuts } from '../../../storage/state/kept-cuts.ts';
import { openLocalSessionStore } from '../../../storage/state/local-session-store.ts';
import { recordsOf } from '../../access/served-directories.ts';
import { adoptCopy } from '../../../storage/copy/copy-mark.ts';
import type { RootSettings } from './serve-settings.ts';
import type { ServedStores } from './served-stores.ts';

/** Opens them; the caller has locked both. @throws CairnError `config-invalid`, storage codes */
export async function openServedRoot(
  { root, state }: Pick<RootSettings, 'root' | 'state'>,
  log: Pick<Logger, 'warn'>,
): Promise<ServedStores> {
  const documents = await openFileState(state);
  const lastSeen = await openLastSeen(documents);
  const onIncident = (incident: object): void => log.warn(incident, 'repaired');
  await adoptCopy(documents, root);
  const records = recordsOf(state);
  const content = await openLocalDisk(root, { staysReadable: true, keepOut: [state, records], onIncident });
  return {
    shown: root,
    content,
    closeContent: () => content.close(),
    keptCuts: openKeptCuts(join(state, 'cuts')),
    sessions: await openLocalSessionStore(records, { onIncident }),
    tokens: { state: documents, secretFile: firstTokenPath(state) },
    lastSeen,
    places: [storagePlace('state', state), storagePlace('root', root, join(root, RESERVED_NAME))],
    ownDirectories: [
      { path: root, shownAs: '' },
      { path: state, shownAs: '(state)' },
    ],
  };
}
