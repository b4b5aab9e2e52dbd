/** What is used of the quotas of access tokens, read from the state of a server that may be running. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { authorizationOf, type KeptToken } from '../../../server/access/kept-token.ts';
import { openUsage, usedOf, type Used } from '../../../server/core/quota/quota.ts';
import { tallied } from '../../../server/core/quota/tallied-store.ts';
import { openUsageLedger } from '../../../server/core/quota/usage-ledger.ts';
import { createFileState } from '../../../storage/state/files/file-state.ts';
import { openLocalSessionStore } from '../../../storage/state/local-session-store.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';

/** Tries, since a server removes records while they are read. */
const TRIES = 5;
const PAUSE_MS = 20;

/** Says what is used of a token. @throws CairnError `config-invalid`, storage codes */
export async function readUse(state: string): Promise<(token: KeptToken) => Used> {
  const sessions = join(state, 'sessions');
  const ledger = await openUsageLedger(createFileState(state));
  // A server that never ran has none.
  if (!existsSync(sessions)) {
    return (token) => {
      const publishedBytes = ledger.publishedBytes(authorizationOf(token).id);
      return { sessions: 0, comingBytes: 0, manifestBytes: 0, publishedBytes };
    };
  }
  const { tally } = tallied(await readRecords(sessions), Date.now);
  await openUsage({ tally, ledger });
  return (token) => usedOf({ tally, ledger }, authorizationOf(token).id);
}

async function readRecords(sessions: string): Promise<SessionStore> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after the other
      return await openLocalSessionStore(sessions, { upkeep: 'report' });
    } catch (error) {
      if (attempt === TRIES) throw error;
      // oxlint-disable-next-line no-await-in-loop -- to come between two changes
      await sleep(PAUSE_MS);
    }
  }
}
