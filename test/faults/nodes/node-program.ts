/**
 * A server that shares its stores with others: `node PROGRAM OBJECTS PORT`. It tells by lines of JSON on standard output what it
 * does; a line that was written outlives a SIGKILL.
 */
import { writeSync } from 'node:fs';
import { createStaticToken } from '../../../src/server/access/static-token.ts';
import { startServer } from '../../../src/server/server.ts';
import type { ContentStore } from '../../../src/storage/content-store.ts';
import { createObjectContent } from '../../../src/storage/object-content/object-content.ts';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import { createDocumentSessions } from '../../../src/storage/state/document-sessions.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { NODE_TOKEN, type NodeLine, PUBLISHER_LEASE_MS } from './node-lines.ts';

/** Long enough for a client that asks again, short enough to be over in a test. */
const KEPT_MS = 3_600_000;

const [root, port] = process.argv.slice(2);
if (root !== undefined && port !== undefined) await serve(root, Number(port));

async function serve(directory: string, listenPort: number): Promise<void> {
  const objects = await openDirectoryObjects(directory);
  const state = createObjectState(objects);
  const note = (fields: object, message: string): void =>
    tell({ type: 'log', message, fields: printed(fields) });
  const limits = {
    publisherLeaseMs: PUBLISHER_LEASE_MS,
    commitWaitMs: 200,
    collectEveryMs: 400,
    idleSessionMs: 500,
    orphanStagingMs: 1500,
    keepCommittedMs: KEPT_MS,
    keepEndedMs: KEPT_MS,
  };
  await startServer({
    content: telling(createObjectContent(objects, { minChunkSizeBytes: 64 * 1024, keepUnusedMs: 1000 })),
    sessions: createDocumentSessions(state),
    state,
    authenticators: [createStaticToken(NODE_TOKEN)],
    listen: { host: '127.0.0.1', port: listenPort },
    version: '0.0.0-test',
    sessionKey: new Uint8Array(32),
    log: { debug: () => undefined, info: note, warn: note, error: note },
    limits,
  });
  tell({ type: 'listening' });
}

/** The same content; it is told when publishing begins and ends. */
function telling(content: ContentStore): ContentStore {
  return {
    ...content,
    openStaging: async (session) => {
      const area = await content.openStaging(session);
      return {
        ...area,
        openChunks: async (transfer) => {
          const chunks = await area.openChunks(transfer);
          const { publish } = chunks;
          chunks.publish = async (order) => {
            tell({ type: 'begins', session });
            try {
              await publish.call(chunks, order);
            } finally {
              tell({ type: 'ends', session });
            }
          };
          return chunks;
        },
      };
    },
  };
}

function printed(fields: object): string {
  return JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.stack : value));
}

function tell(line: NodeLine): void {
  // One clock for all processes of a machine, which does not jump.
  writeSync(1, `${JSON.stringify({ ...line, atMs: Number(process.hrtime.bigint() / 1000n) / 1000 })}\n`);
}
