/** The code under test, as the simulation starts it: what `cairn serve`, `cairn push` and `cairn pull` are made of. */
export { CairnError } from '../../../src/base/errors.ts';
export { loadNative } from '../../../src/base/native.ts';
export { pull } from '../../../src/client/pull.ts';
export { push } from '../../../src/client/push.ts';
export { openSessions } from '../../../src/client/sessions.ts';
export { createStaticToken } from '../../../src/server/access/static-token.ts';
export { startServer } from '../../../src/server/server.ts';
export { createObjectContent } from '../../../src/storage/object-content/object-content.ts';
export { createS3Client } from '../../../src/storage/objects/s3/s3-client.ts';
export { createS3Objects } from '../../../src/storage/objects/s3/s3-objects.ts';
export { openLocalDisk } from '../../../src/storage/disk/local-disk.ts';
export { createDocumentSessions } from '../../../src/storage/state/document-sessions.ts';
export { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
export { openLocalSessionStore } from '../../../src/storage/state/local-session-store.ts';
export { preloadHash } from './xxhash-wasm.ts';
