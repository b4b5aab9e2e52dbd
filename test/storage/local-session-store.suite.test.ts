import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openLocalSessionStore } from '../../src/storage/state/local-session-store.ts';
import { sessionStoreSuite } from '../suites/session-store.ts';

sessionStoreSuite('local session store', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'cairn-sessions-'));
  const reopen = async () => openLocalSessionStore(directory);
  return {
    store: await reopen(),
    reopen,
    cleanup: () => rm(directory, { recursive: true, force: true }),
  };
});
