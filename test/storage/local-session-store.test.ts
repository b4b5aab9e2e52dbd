import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openLocalSessionStore } from '../../src/storage/local-session-store.ts';
import { recordOf } from '../suites/session-store.ts';
import { codeOf } from '../suites/staged-transfer.ts';

function place(): string {
  const home = mkdtempSync(join(tmpdir(), 'cairn-sessions-'));
  onTestFinished(() => rmSync(home, { recursive: true }));
  return join(home, 'state/sessions');
}

it('keeps each record in a file that only its owner can read', async () => {
  const directory = place();
  const store = await openLocalSessionStore(directory);
  const record = recordOf('a', { commit: { digest: 'd', bytesTotal: 5, excluded: [1, 2], entriesTotal: 3 } });
  await store.create(record);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, `${record.id}.json`)).mode & 0o777).toBe(0o600);
  expect(await (await openLocalSessionStore(directory)).get(record.id)).toEqual(record);
});

it('sets broken records aside, says so, and serves the others', async () => {
  const directory = place();
  const store = await openLocalSessionStore(directory);
  for (const name of ['fine', 'torn', 'other', 'strange']) await store.create(recordOf(name));
  const pathOf = (name: string): string => join(directory, `${recordOf(name).id}.json`);
  writeFileSync(pathOf('torn'), JSON.stringify(recordOf('torn')).slice(0, 50));
  writeFileSync(pathOf('other'), JSON.stringify(recordOf('another')));
  writeFileSync(pathOf('strange'), JSON.stringify({ ...recordOf('strange'), state: 'asleep' }));
  writeFileSync(join(directory, '.cairn-00ff.tmp'), 'cut');
  const incidents: string[] = [];
  const again = await openLocalSessionStore(directory, { onIncident: (message) => incidents.push(message) });
  expect(incidents).toHaveLength(3);
  const ids: string[] = [];
  for await (const { id } of again.list()) ids.push(id);
  expect(ids).toEqual([recordOf('fine').id]);
  expect(readdirSync(directory).filter((name) => name.endsWith('.broken'))).toHaveLength(3);
  expect(readdirSync(directory)).not.toContain('.cairn-00ff.tmp');
});

it('refuses an id that would leave the directory', async () => {
  const store = await openLocalSessionStore(place());
  expect(await codeOf(() => store.create({ ...recordOf('a'), id: '../a' }))).toBe('internal');
});

it('opens 10,000 records in less than 5 seconds', async () => {
  const directory = place();
  await openLocalSessionStore(directory);
  for (let n = 0; n < 10_000; n += 1) {
    const record = recordOf(`r${n}`);
    writeFileSync(join(directory, `${record.id}.json`), JSON.stringify(record));
  }
  const start = performance.now();
  const store = await openLocalSessionStore(directory);
  expect(performance.now() - start).toBeLessThan(5000);
  expect(await store.get(recordOf('r9999').id)).toEqual(recordOf('r9999'));
});
