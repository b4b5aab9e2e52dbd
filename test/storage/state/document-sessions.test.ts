import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { StoreIncident } from '../../../src/storage/incident.ts';
import { formatRecord } from '../../../src/session/record-schema.ts';
import { createDocumentSessions } from '../../../src/storage/state/document-sessions.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { keysOf } from '../../suites/objects-at-hand.ts';
import { recordOf, sessionStoreSuite } from '../../suites/session-store.ts';
import { codeOf } from '../../suites/staged-transfer.ts';

sessionStoreSuite('sessions as documents in memory', async () => {
  const objects = createMemoryObjects();
  const reopen = async () => createDocumentSessions(createObjectState(objects));
  return { store: await reopen(), reopen, cleanup: async () => {} };
});

sessionStoreSuite('sessions as documents in a directory of objects', async () => {
  const home = await mkdtemp(join(tmpdir(), 'cairn-sessions-'));
  const reopen = async () =>
    createDocumentSessions(createObjectState(await openDirectoryObjects(join(home, 'objects'))));
  return { store: await reopen(), reopen, cleanup: () => rm(home, { recursive: true, force: true }) };
});

it('a session is found by the manifest that it has now, and leaves nothing when it is removed', async () => {
  const objects = createMemoryObjects();
  const store = createDocumentSessions(createObjectState(objects));
  const first = recordOf('a', { pass: { manifestId: null } });
  await store.create(first);
  const { principal, target, id } = first;
  const { direction } = first.pass;
  const withManifest = (version: number, manifestId: string) =>
    store.replace(recordOf('a', { version, pass: { manifestId } }));
  const find = async (manifestId: string) =>
    (await store.find({ principal, direction, target, manifestId })).map((record) => record.id);
  expect(await withManifest(2, 'b'.repeat(64))).toBe(true);
  expect(await find('b'.repeat(64))).toEqual([id]);
  expect(await withManifest(3, 'c'.repeat(64))).toBe(true);
  expect([await find('b'.repeat(64)), await find('c'.repeat(64))]).toEqual([[], [id]]);
  expect(await keysOf(objects)).toHaveLength(2);
  await store.remove(id);
  expect(await keysOf(objects)).toEqual([]);
});

it('a document that is no session record is reported, and delays no other session', async () => {
  const objects = createMemoryObjects();
  const incidents: StoreIncident[] = [];
  const store = createDocumentSessions(createObjectState(objects), (incident) => incidents.push(incident));
  await store.create(recordOf('good'));
  await objects.put('s/bad', Buffer.from('{"id":"bad"}'));
  await objects.put('s/other', Buffer.from(formatRecord(recordOf('good'))));
  const ids: string[] = [];
  for await (const { id } of store.list()) ids.push(id);
  expect(ids).toEqual([recordOf('good').id]);
  expect(incidents.map(({ kind, session }) => [kind, session])).toEqual([
    ['record-unreadable', 'bad'],
    ['record-unreadable', 'other'],
  ]);
  expect(await store.get('bad')).toBeUndefined();
  expect(await keysOf(objects, 's/bad')).toEqual(['s/bad']);
});

it('a session record of a newer cairn in a document is refused, and left as it is', async () => {
  const objects = createMemoryObjects();
  const store = createDocumentSessions(createObjectState(objects));
  const record = recordOf('newer');
  await objects.put(`s/${record.id}`, Buffer.from(JSON.stringify({ ...record, format: 2, state: 'asleep' })));
  expect(await codeOf(() => store.get(record.id))).toBe('journal-version');
  expect(await codeOf(() => store.replace({ ...record, version: 2 }))).toBe('journal-version');
});
