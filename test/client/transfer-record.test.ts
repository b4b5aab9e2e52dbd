import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { push } from '../../src/client/push.ts';
import { openTransferFolder, transfersDirectory } from '../../src/client/state/transfer-folder.ts';
import { parseRecord, transferKey } from '../../src/client/state/transfer-record.ts';
import {
  findTransfer,
  listTransfers,
  removeTransfer,
  showTransfer,
  surveyTransfers,
} from '../../src/client/transfers.ts';
import { keptPush } from '../support/kept-push.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene } from './support/scene.ts';

const DAY_MS = 24 * 3600 * 1000;

const identity = { direction: 'push', url: new URL('http://host/a'), local: ['/a', '/b'] } as const;

test('the key of a transfer is the same for the same command, and another for any other', () => {
  const key = transferKey(identity);
  expect(key).toMatch(/^[0-9a-f]{32}$/);
  expect(transferKey({ ...identity })).toBe(key);
  const others = [
    transferKey({ ...identity, direction: 'pull' }),
    transferKey({ ...identity, local: ['/a'] }),
    transferKey({ ...identity, url: new URL('http://host/b') }),
  ];
  expect(new Set([key, ...others]).size).toBe(4);
});

test('a transfer record of a newer cairn is refused, and a damaged one does not count', async () => {
  expect(parseRecord('{"version":1}')).toBeUndefined();
  expect(parseRecord('{"version":')).toBeUndefined();
  expect(await codeOf((async () => parseRecord('{"version":3}'))())).toBe('journal-version');
});

test('a transfer folder is locked while it is open, and leaves nothing if nothing was saved in it', async () => {
  const stateHome = temporaryDirectory();
  const folder = await openTransferFolder(stateHome, identity);
  expect(await codeOf(openTransferFolder(stateHome, identity))).toBe('transfer-locked');
  await folder.close();
  expect(readdirSync(transfersDirectory(stateHome))).toEqual([]);
});

test('the state that a transfer keeps is for its owner only', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 10 * CHUNK);
  const modes: Record<string, string> = {};
  const note = (directory: string): void => {
    for (const name of readdirSync(directory)) {
      const full = path.join(directory, name);
      modes[name] = (statSync(full).mode & 0o777).toString(8);
      if (statSync(full).isDirectory()) note(full);
    }
  };
  const report = (event: { type: string }): void => {
    if (event.type === 'planned') note(scene.stateHome);
  };
  await push([file], scene.options('/file', { report }));
  const key = Object.keys(modes).find((name) => /^[0-9a-f]{32}$/.test(name))!;
  expect(modes).toMatchObject({ 'transfers': '700', [key]: '700', 'transfer.json': '600', 'journal': '600' });
});

test('a damaged transfer record makes the transfer start over, and the push says so', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 3 * CHUNK);
  const url = scene.url('/file');
  const folder = path.join(
    transfersDirectory(scene.stateHome),
    transferKey({ direction: 'push', url, local: [file] }),
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'transfer.json'), '{"version":1,"damaged":');
  expect(await listTransfers(scene.stateHome)).toEqual([]);
  await push([file], scene.options('/file'));
  expect(scene.events.some((event) => event.type === 'notice' && event.message.includes('damaged'))).toBe(
    true,
  );
  expect(readdirSync(transfersDirectory(scene.stateHome))).toEqual([]);
  expect((await scene.fetch('/file'))?.equals(readFileSync(file))).toBe(true);
});

test('the end of a kept transfer is counted from its session terms, and from the last progress', async () => {
  const stateHome = temporaryDirectory();
  const folder = path.join(transfersDirectory(stateHome), '0123456789abcdef'.repeat(2));
  mkdirSync(folder, { recursive: true });
  const [grantedAt, updatedAt] = ['2026-01-01T00:00:00.000Z', '2026-01-05T00:00:00.000Z'];
  const until = async (leaseDays: number, endsInDays: number, changes: object): Promise<unknown> => {
    const record = keptPush({ leaseMs: leaseDays * DAY_MS, endsInMs: endsInDays * DAY_MS });
    writeFileSync(
      path.join(folder, 'transfer.json'),
      JSON.stringify({ ...record, createdAt: grantedAt, updatedAt, ...changes }),
    );
    return (await listTransfers(stateHome))[0]?.keptUntil.slice(0, 10);
  };
  expect(await until(7, 90, { grantedAt })).toBe('2026-01-12');
  expect(await until(7, 8, { grantedAt })).toBe('2026-01-09');
  // A record of an older cairn does not say when that was.
  expect(await until(7, 8, {})).toBe('2026-01-12');
  expect(await until(7, 3, {})).toBe('2026-01-08');
});

test('a transfer record keeps the time at which its session terms came', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 10 * CHUNK);
  let kept: Record<string, unknown> = {};
  const report = (event: { type: string }): void => {
    if (event.type !== 'planned') return;
    const [name] = readdirSync(transfersDirectory(scene.stateHome));
    kept = JSON.parse(
      readFileSync(path.join(transfersDirectory(scene.stateHome), name!, 'transfer.json'), 'utf8'),
    ) as typeof kept;
  };
  await push([file], scene.options('/file', { report }));
  expect(kept['grantedAt']).toBe(kept['updatedAt']);
});

test('a transfer record of a newer cairn is listed as one, hides no other, and can be removed', async () => {
  const stateHome = temporaryDirectory();
  const id = '0123456789abcdef'.repeat(2);
  const folder = path.join(transfersDirectory(stateHome), id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'transfer.json'), '{"version":3}');
  expect(await listTransfers(stateHome)).toEqual([]);
  expect(await codeOf(showTransfer(stateHome, id))).toBe('journal-version');
  const unreadable = { id, code: 'journal-version', locked: false };
  expect(await surveyTransfers(stateHome)).toMatchObject({ transfers: [], unreadable: [unreadable] });
  expect(await findTransfer(stateHome, id.slice(0, 4))).toMatchObject(unreadable);
  await removeTransfer(stateHome, id);
  expect(readdirSync(transfersDirectory(stateHome))).toEqual([]);
});

test('a list of transfers tells how long all runs took, and how many entries are left out', async () => {
  const stateHome = temporaryDirectory();
  const digestLengthBytes = 8;
  const updatedAt = '2026-01-05T00:00:00.000Z';
  const kept = { ...keptPush({ leaseMs: DAY_MS, endsInMs: 9 * DAY_MS }), createdAt: updatedAt, updatedAt };
  const write = async (changes: object): Promise<void> => {
    const folder = await openTransferFolder(stateHome, identity);
    const file = path.join(transfersDirectory(stateHome), folder.key, 'transfer.json');
    writeFileSync(file, JSON.stringify({ ...kept, ...changes }), { mode: 0o600 });
    await folder.close();
  };
  const listed = async (): Promise<unknown> => (await listTransfers(stateHome))[0];
  await write({});
  expect(await listed()).toMatchObject({ updatedAt, durationMs: null, excluded: 0, unselected: null });
  await write({ durationMs: 60_000, leftOut: { unlisted: 1, unselected: 7 } });
  expect(await listed()).toMatchObject({ updatedAt, durationMs: 60_000, excluded: 1, unselected: 7 });

  // A run that was killed wrote its journal last; the next one goes on counting from there.
  const folder = await openTransferFolder(stateHome, identity);
  const log = await folder.openJournal({ manifestId: 'a'.repeat(64), digestLengthBytes });
  const workedAt = Date.parse(updatedAt) + 5000;
  await log.append({ note: { excluded: [3, 2, 9, 1], bytesDone: 1, workedAt } });
  await log.close();
  const killed = { updatedAt: '2026-01-05T00:00:05.000Z', durationMs: 65_000, excluded: 4, bytesDone: 1 };
  expect(await listed()).toMatchObject(killed);
  await folder.close();
  const next = await openTransferFolder(stateHome, identity);
  await (await next.openJournal({ manifestId: 'a'.repeat(64), digestLengthBytes })).close();
  await next.update({});
  expect(next.record?.durationMs).toBeGreaterThanOrEqual(65_000);
  expect(next.record?.durationMs).toBeLessThan(65_000 + DAY_MS);
  await next.close();
});

test('a transfer that does not exist is not found, neither shown nor removed', async () => {
  const stateHome = temporaryDirectory();
  expect(await listTransfers(stateHome)).toEqual([]);
  expect(await codeOf(showTransfer(stateHome, 'abc'))).toBe('not-found');
  expect(await codeOf(removeTransfer(stateHome, '../..'))).toBe('not-found');
});
