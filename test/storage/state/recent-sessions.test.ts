import { expect, it } from 'vitest';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createDocumentSessions } from '../../../src/storage/state/document-sessions.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { withRecentVersions } from '../../../src/storage/state/recent-sessions.ts';
import type { SessionStore } from '../../../src/storage/state/session-store.ts';
import { createMemoryHub } from '../../support/memory-stores/memory-shared-memory.ts';
import { recordOf, sessionStoreSuite } from '../../suites/session-store.ts';

sessionStoreSuite('sessions whose versions nodes tell each other', async () => {
  const records = createDocumentSessions(createObjectState(createMemoryObjects()));
  const hub = createMemoryHub();
  const reopen = async () => withRecentVersions(records, hub.node());
  return { store: await reopen(), reopen, cleanup: async () => {} };
});

/** Nodes over one store, which counts how often records are read. */
function openNodes() {
  const hub = createMemoryHub();
  const records = createDocumentSessions(createObjectState(createMemoryObjects()));
  const reads = { count: 0 };
  const counted: SessionStore = {
    ...records,
    get: (id) => {
      reads.count += 1;
      return records.get(id);
    },
  };
  const node = (): SessionStore => withRecentVersions(counted, hub.node());
  return { hub, reads, nodes: [node(), node()] as const };
}

it('a record that nobody has changed is not read again', async () => {
  const { reads, nodes } = openNodes();
  const record = recordOf('s');
  await nodes[0].create(record);
  for (const node of nodes) expect(await node.recent!(record)).toBe(record);
  expect(reads.count).toBe(0);
});

it('a record that another node has replaced is read', async () => {
  const { reads, nodes } = openNodes();
  const record = recordOf('s');
  await nodes[0].create(record);
  const next = { ...record, version: record.version + 1, epoch: record.epoch + 1 };
  expect(await nodes[1].replace(next)).toBe(true);
  expect(await nodes[0].recent!(record)).toEqual(next);
  expect(await nodes[0].recent!(next)).toBe(next);
  expect(reads.count).toBe(1);
});

it('a memory that is away, or was emptied, has records read from the store', async () => {
  const { hub, nodes } = openNodes();
  const record = recordOf('s');
  await nodes[0].create(record);
  const next = { ...record, version: record.version + 1 };
  await nodes[1].replace(next);
  hub.empty();
  expect(await nodes[0].recent!(record)).toEqual(next);
  hub.isAway = true;
  expect(await nodes[0].recent!(record)).toEqual(next);
});

it('a memory that went back in time lets a reader keep an older record, and never replaces a newer one', async () => {
  const { hub, nodes } = openNodes();
  const record = recordOf('s');
  await nodes[0].create(record);
  hub.save();
  const next = { ...record, version: record.version + 1, epoch: record.epoch + 1 };
  await nodes[1].replace(next);
  hub.restore();
  expect(await nodes[0].recent!(record)).toBe(record);
  // Every change rests on the version in the store.
  expect(await nodes[0].replace({ ...record, version: record.version + 1 })).toBe(false);
  expect(await nodes[0].get(record.id)).toEqual(next);
});
