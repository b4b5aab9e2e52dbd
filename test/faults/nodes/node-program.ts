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
import { NODE_TOKEN, type NodeLine, PUBLISHER_LEASE_MS, SKEW } from './node-lines.ts';
import { STRIKE, struck, type Strike } from './strike.ts';

/** Long enough for a client that asks again, short enough to be over in a test. */
const KEPT_MS = 3_600_000;

/** Sessions that this node publishes now. */
let publishing = 0;

setClock(Number(process.env[SKEW] ?? 0));
const [root, port] = process.argv.slice(2);
if (root !== undefined && port !== undefined) await serve(root, Number(port));

async function serve(directory: string, listenPort: number): Promise<void> {
  const words = process.env[STRIKE];
  const objects = struck(await openDirectoryObjects(directory), {
    strike: words === undefined || words === 'count' ? undefined : (JSON.parse(words) as Strike),
    isPublishing: () => publishing > 0,
    onChange: (what) => (words === 'count' ? tell({ type: 'change', what }) : undefined),
    onStrike: () => tell({ type: 'struck' }),
  });
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
            publishing += 1;
            try {
              await publish.call(chunks, order);
            } finally {
              publishing -= 1;
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

/** Sets the clock on the wall; the other clocks of a process do not know of it. */
function setClock(aheadMs: number): void {
  const RealDate = Date;
  globalThis.Date = class extends RealDate {
    constructor(...given: [] | [number | string]) {
      super(given[0] ?? RealDate.now() + aheadMs);
    }

    static override now(): number {
      return RealDate.now() + aheadMs;
    }
  } as DateConstructor;
}
