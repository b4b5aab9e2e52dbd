/** Opens a root and its state for a check. */
import { openLocalDisk } from '../../../storage/disk/local-disk.ts';
import type { StoreIncident, Upkeep } from '../../../storage/incident.ts';
import { openLocalSessionStore } from '../../../storage/state/local-session-store.ts';
import { recordsOf, refuseUnserved, usableRoot } from '../../access/served-directories.ts';
import { lockServed } from '../../access/served-locks.ts';
import type { CheckedStores } from './checked-stores.ts';
import type { RootSettings } from './serve-settings.ts';

/** Opens them. @throws CairnError `state-locked` while a server runs; `config-invalid`, storage codes */
export async function openCheckedRoot(
  { root: wanted, state }: Pick<RootSettings, 'root' | 'state'>,
  isDryRun: boolean,
): Promise<CheckedStores> {
  const root = await usableRoot(wanted);
  // Without its records every staging area would seem to have no owner, and be freed.
  await refuseUnserved({ root, state });
  const locks = await lockServed({ root, state });
  try {
    const incidents: StoreIncident[] = [];
    const upkeep: Upkeep = isDryRun ? 'report' : 'thorough';
    const care = { upkeep, onIncident: (incident: StoreIncident) => void incidents.push(incident) };
    const sessions = await openLocalSessionStore(recordsOf(state), care);
    const content = await openLocalDisk(root, care);
    const close = async (): Promise<void> => {
      await content.close();
      await locks.release();
    };
    return { content, sessions, incidents, now: Date.now, close };
  } catch (error) {
    await locks.release();
    throw error;
  }
}
