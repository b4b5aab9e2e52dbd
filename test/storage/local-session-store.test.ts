import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open as openFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { StoreIncident } from '../../src/storage/incident.ts';
import { formatRecord } from '../../src/session/record-schema.ts';
import type { SessionState } from '../../src/session/state.ts';
import { openLocalSessionStore } from '../../src/storage/state/local-session-store.ts';
import { recordOf } from '../suites/session-store.ts';
import { codeOf } from '../suites/staged-transfer.ts';
import { cpuNowMs } from '../support/cpu-time.ts';
import { canMount, mountTmpfs } from '../support/requirements.ts';
import { temporaryDirectory } from '../support/trees.ts';

function place(): string {
  const home = mkdtempSync(join(tmpdir(), 'cairn-sessions-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return join(home, 'state/sessions');
}

it('the local session store keeps each record in a file that only its owner can read', async () => {
  const directory = place();
  const store = await openLocalSessionStore(directory);
  const commit = { digest: 'd', bytesTotal: 5, excluded: [1, 2], entriesTotal: 3 };
  const record = recordOf('a', { pass: { commit } });
  await store.create(record);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, `${record.id}.json`)).mode & 0o777).toBe(0o600);
  expect(await (await openLocalSessionStore(directory)).get(record.id)).toEqual(record);
});

it('the local session store sets broken records aside, says so, and serves the others', async () => {
  const directory = place();
  const store = await openLocalSessionStore(directory);
  for (const name of ['fine', 'torn', 'other', 'strange']) await store.create(recordOf(name));
  const pathOf = (name: string): string => join(directory, `${recordOf(name).id}.json`);
  writeFileSync(pathOf('torn'), formatRecord(recordOf('torn')).slice(0, 50));
  writeFileSync(pathOf('other'), formatRecord(recordOf('another')));
  writeFileSync(pathOf('strange'), formatRecord({ ...recordOf('strange'), state: 'asleep' as SessionState }));
  writeFileSync(join(directory, '.cairn-00ff.tmp'), 'cut');
  const looked: StoreIncident[] = [];
  const before = readdirSync(directory);
  await openLocalSessionStore(directory, {
    upkeep: 'report',
    onIncident: (incident) => looked.push(incident),
  });
  expect(looked.map(({ kind }) => kind).toSorted()).toEqual([
    'record-unreadable',
    'record-unreadable',
    'record-unreadable',
    'temporary-file',
  ]);
  expect(readdirSync(directory)).toEqual(before);
  const incidents: StoreIncident[] = [];
  const again = await openLocalSessionStore(directory, {
    onIncident: (incident) => incidents.push(incident),
  });
  expect(incidents.map(({ kind }) => kind)).toEqual(Array(3).fill('record-unreadable'));
  const ids: string[] = [];
  for await (const { id } of again.list()) ids.push(id);
  expect(ids).toEqual([recordOf('fine').id]);
  expect(readdirSync(directory).filter((name) => name.endsWith('.broken'))).toHaveLength(3);
  expect(readdirSync(directory)).not.toContain('.cairn-00ff.tmp');
});

it.skipIf(!canMount)(
  'the local session store skips broken records on a read-only disk, and serves the others (needs to mount)',
  async () => {
    const disk = join(temporaryDirectory(), 'disk');
    mountTmpfs(disk, 1024 * 1024);
    const directory = join(disk, 'sessions');
    const store = await openLocalSessionStore(directory);
    await store.create(recordOf('fine'));
    writeFileSync(join(directory, `${recordOf('torn').id}.json`), '{');
    expect(spawnSync('mount', ['-o', 'remount,ro', disk]).status).toBe(0);
    const incidents: StoreIncident[] = [];
    const again = await openLocalSessionStore(directory, {
      onIncident: (incident) => incidents.push(incident),
    });
    expect((await again.get(recordOf('fine').id))?.id).toBe(recordOf('fine').id);
    expect(incidents.map(({ remedy }) => remedy)).toEqual([expect.stringContaining('left where it is')]);
  },
);

it('the local session store refuses an id that would leave its directory', async () => {
  const store = await openLocalSessionStore(place());
  expect(await codeOf(() => store.create({ ...recordOf('a'), id: '../a' }))).toBe('internal');
});

it('the local session store opens 10,000 records in less than 5 seconds of a processor', async () => {
  const directory = place();
  await openLocalSessionStore(directory);
  for (let n = 0; n < 10_000; n += 1) {
    const record = recordOf(`r${n}`);
    writeFileSync(join(directory, `${record.id}.json`), formatRecord(record));
  }
  const start = cpuNowMs();
  const store = await openLocalSessionStore(directory);
  expect(cpuNowMs() - start).toBeLessThan(5000);
  expect(await store.get(recordOf('r9999').id)).toEqual(recordOf('r9999'));
});

it('the local session store refuses records of a newer cairn, and leaves them as they are', async () => {
  const directory = place();
  const store = await openLocalSessionStore(directory);
  const record = recordOf('newer');
  await store.create(record);
  const path = join(directory, `${record.id}.json`);
  const text = JSON.stringify({ ...record, format: 2, state: 'asleep' });
  writeFileSync(path, text);
  await expect(openLocalSessionStore(directory)).rejects.toMatchObject({ code: 'journal-version' });
  expect(readFileSync(path, 'utf8')).toBe(text);
});

it('the local session store refuses a directory that is a link to somewhere else', async () => {
  const directory = place();
  const outside = place();
  mkdirSync(outside, { recursive: true });
  mkdirSync(dirname(directory), { recursive: true });
  symlinkSync(outside, directory);
  await expect(openLocalSessionStore(directory)).rejects.toMatchObject({ code: 'symlink-refused' });
  expect(readdirSync(outside)).toEqual([]);
});

/** Lets the next syncs of directories fail, and counts them. */
async function onDirectorySync(act: () => Promise<void>): Promise<void> {
  const probe = await openFile(tmpdir());
  const prototype = Object.getPrototypeOf(probe) as typeof probe;
  await probe.close();
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(act);
  onTestFinished(() => spy.mockRestore());
}

it('the local session store leaves no record of a session that it could not create', async () => {
  const directory = place();
  const store = await openLocalSessionStore(directory);
  await onDirectorySync(async () => {
    throw Object.assign(new Error('EIO'), { code: 'EIO' });
  });
  expect(await codeOf(() => store.create(recordOf('a')))).toBe('storage-io');
  expect(readdirSync(directory)).toEqual([]);
});

it('the local session store syncs the records that it finds as it opens', async () => {
  const directory = place();
  await (await openLocalSessionStore(directory)).create(recordOf('a'));
  let syncs = 0;
  await onDirectorySync(async () => void (syncs += 1));
  const store = await openLocalSessionStore(directory);
  expect([syncs, await store.get(recordOf('a').id)]).toEqual([2, recordOf('a')]);
});
