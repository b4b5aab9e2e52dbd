/** Several servers in one process over one store of objects in memory, each of which can be held in the middle of a put. */
import { onTestFinished } from 'vitest';
import type { SessionRecord } from '../../../src/session/record.ts';
import { createStaticToken } from '../../../src/server/access/static-token.ts';
import { startServer } from '../../../src/server/server.ts';
import type { ServerOptions } from '../../../src/server/server-options.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createDocumentSessions } from '../../../src/storage/state/document-sessions.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { withRecentVersions } from '../../../src/storage/state/recent-sessions.ts';
import { withBell } from '../../../src/storage/state/rung-state.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { createMemoryContentStore } from '../../support/memory-stores/memory-content-store.ts';
import type { MemoryHub } from '../../support/memory-stores/memory-shared-memory.ts';
import { createMemorySessionStore } from '../../support/memory-stores/memory-session-store.ts';
import {
  chunkCountOf,
  directory,
  file,
  type Item,
  type SampleTransfer,
  transferOf,
} from '../../suites/staged-transfer.ts';
import { ALICE, HandSession, openPush, type Scene } from '../by-hand.ts';

/** A server among others. */
export interface TestNode extends Scene {
  /** Tags of the roots that it has put: each is one publication. */
  readonly published: string[];
  /** Holds the next put of the root, which publishes a whole tree; resolves before or after it was made. */
  holdPut(when?: 'before' | 'after'): { readonly reached: Promise<void>; readonly goOn: () => void };
}

/** Servers over one store, and one clock. */
export interface Nodes {
  readonly nodes: readonly [TestNode, TestNode, TestNode];
  readonly clock: { aheadMs: number };
  readonly objects: ObjectStore;
  record(id: string): Promise<SessionRecord | undefined>;
}

/** The object that tells what is published. */
const ROOT_KEY = 'i/root';
/** What the lease of a publisher is in these tests. */
export const PUBLISHER_LEASE_MS = 60_000;

/** Starts three servers that go with the test. @param hub the memory that they share, besides */
export async function openNodes(
  changes: Partial<ServerOptions> = {},
  objects: ObjectStore = createMemoryObjects(),
  hub?: Pick<MemoryHub, 'node'>,
): Promise<Nodes> {
  const clock = { aheadMs: 0 };
  const start = (): Promise<TestNode> => startNode(objects, clock, { ...changes, memory: hub?.node() });
  const nodes = [await start(), await start(), await start()] as const;
  return { nodes, clock, objects, record: (id) => createMemorySessionStore(objects).get(id) };
}

async function startNode(
  objects: ObjectStore,
  clock: Scene['clock'],
  changes: Partial<ServerOptions>,
): Promise<TestNode> {
  const logged: string[] = [];
  const note = (fields: object, message: string): void =>
    void logged.push(
      `${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value))}`,
    );
  const { store, published, holdPut } = held(objects);
  const { memory } = changes;
  const documents = createObjectState(store);
  const state = memory === undefined ? documents : withBell(documents, memory);
  const records = createDocumentSessions(state);
  const sessions = memory === undefined ? records : withRecentVersions(records, memory);
  const stores = { content: createMemoryContentStore(store), sessions };
  const server = await startServer({
    authenticators: [createStaticToken(ALICE, { id: 'token:alice', principal: 'alice' })],
    listen: { host: '127.0.0.1', port: 0 },
    version: '0.0.0-test',
    sessionKey: new Uint8Array(32),
    log: { debug: note, info: note, warn: note, error: note },
    now: () => Date.now() + clock.aheadMs,
    ...changes,
    limits: { commitWaitMs: 300, publisherLeaseMs: PUBLISHER_LEASE_MS, ...changes.limits },
    ...stores,
    state,
  });
  onTestFinished(() => server.kill());
  const restart = (): never => {
    throw new Error('a node of this scene is not started again');
  };
  return { server, stores, kind: 'memory', logged, clock, restart, published, holdPut };
}

/** The same objects; one put of the root can be held, and all of them are noted. */
function held(
  objects: ObjectStore,
): Pick<TestNode, 'published' | 'holdPut'> & { readonly store: ObjectStore } {
  const published: string[] = [];
  let hold: { when: 'before' | 'after'; reached: () => void; goOn: Promise<void> } | undefined;
  const stopIf = async (when: 'before' | 'after'): Promise<void> => {
    if (hold?.when !== when) return;
    const { reached, goOn } = hold;
    hold = undefined;
    reached();
    await goOn;
  };
  const put: ObjectStore['put'] = async (key, body, options) => {
    if (key !== ROOT_KEY) return objects.put(key, body, options);
    await stopIf('before');
    const tag = await objects.put(key, body, options);
    if (tag !== undefined) published.push(tag);
    await stopIf('after');
    return tag;
  };
  const holdPut: TestNode['holdPut'] = (when = 'before') => {
    let goOn = (): void => undefined;
    const released = new Promise<void>((resolve) => (goOn = resolve));
    const reached = new Promise<void>((resolve) => {
      hold = { when, reached: resolve, goOn: released };
    });
    onTestFinished(goOn);
    return { reached, goOn };
  };
  return { store: { ...objects, put }, published, holdPut };
}

/** A tree of a directory and so many files. */
export function treeOf(node: TestNode, target: string, files = 40): SampleTransfer {
  const items: Item[] = [directory('')];
  for (let index = 0; index < files; index += 1) {
    items.push(file(`file-${index}`, `content ${target} ${index}`));
  }
  return transferOf(node.stores.content, target, items);
}

/** A push whose chunks are all there, as the first node's client holds it. */
export async function pushed(node: TestNode, transfer: SampleTransfer): Promise<HandSession> {
  const session = await openPush(node, transfer);
  for (let chunk = 0; chunk < chunkCountOf(transfer); chunk += 1) await session.putChunk(chunk);
  return session;
}

/** The same session, as a client that reaches another node holds it. */
export function at(node: TestNode, { transfer, terms }: HandSession): HandSession {
  return new HandSession(node, transfer, terms);
}

/** How many entries of a tree are published with the right size. */
export async function publishedEntries(node: TestNode, { target, items }: SampleTransfer): Promise<number> {
  const paths = items.map(({ entry }) => (entry.path === '' ? target : `${target}/${entry.path}`));
  const found = await node.stores.content.lookup(paths);
  return found.filter((each, index) => each?.entry.sizeBytes === items[index]!.entry.sizeBytes).length;
}
