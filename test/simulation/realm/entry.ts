/** The code under test, as the simulation starts it: what `cairn serve`, `cairn push` and `cairn pull` are made of. */
export { CairnError } from '../../../src/base/errors.ts';
export { loadNative } from '../../../src/base/native.ts';
export { pull } from '../../../src/client/pull.ts';
export { push } from '../../../src/client/push.ts';
export { createStaticToken } from '../../../src/server/access/static-token.ts';
export { startServer } from '../../../src/server/server.ts';
export { openLocalDisk } from '../../../src/storage/disk/local-disk.ts';
export { openLocalSessionStore } from '../../../src/storage/state/local-session-store.ts';
export { preloadHash } from './xxhash-wasm.ts';
