/** Sources of a pull of which only device, inode or ctime change: they are read again, and arrive in one version or not at all. */
import { chmodSync, linkSync, openSync, closeSync, utimesSync, writeSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { transferDigest } from '../../src/manifest/digest.ts';
import { chunkBytes, digestOf, directory, file, putTree, transferOf } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { establish, openScene, type HandSession, type Scene } from './by-hand.ts';

const SECONDS = 1_600_000_000;
const mtimeNs = BigInt(SECONDS) * 1_000_000_000n;
const CHUNK = 64 * 1024;
/** Three chunks of its own, and two that share one. */
const ITEMS = [
  directory(''),
  file('big', 2 * CHUNK + 100, { mtimeNs }),
  file('small', 'bytes', { mtimeNs }),
  file('tiny', 'x', { mtimeNs }),
];

async function openPull(): Promise<{ scene: Scene; session: HandSession; at: (name: string) => string }> {
  const root = temporaryDirectory();
  const scene = await openScene('local disk', { root });
  await putTree(scene.stores.content, 'out', ITEMS);
  const session = await establish(scene, transferOf(scene.stores.content, 'out', ITEMS), 'pull');
  await session.call('GET', 'manifest');
  await session.sendPlan();
  return { scene, session, at: (name) => path.join(root, 'out', name) };
}

async function fetch(session: HandSession, ...chunks: readonly number[]): Promise<void> {
  for (const chunk of chunks) {
    const { status, body } = await session.call('GET', `chunks/${chunk}`);
    expect([status, body.equals(session.chunkBody(chunk))]).toEqual([200, true]);
  }
}

/** Writes into a file and puts its time back, so that only its ctime tells. */
function rewrite(place: string, text: string): void {
  const fd = openSync(place, 'r+');
  writeSync(fd, text, 0);
  closeSync(fd);
  utimesSync(place, SECONDS, SECONDS);
}

test.each([
  ['a chmod', (place: string) => chmodSync(place, 0o640)],
  ['a new hard link', (place: string) => linkSync(place, `${place}.link`)],
])('a pull goes on after %s of its sources, and ends well', async (_how, touch) => {
  const { session, at } = await openPull();
  await fetch(session, 0, 3);
  touch(at('big'));
  touch(at('small'));
  await fetch(session, 1, 2);
  expect((await session.commit()).json.state).toBe('committed');
});

test('a pull of touched sources is committed even if the server lost the digests of sent chunks', async () => {
  const { scene, session, at } = await openPull();
  await fetch(session, 0);
  chmodSync(at('big'), 0o640);
  await fetch(session, 1);
  await scene.restart();
  await session.resume();
  await fetch(session, 2, 3);
  expect((await session.commit()).json.state).toBe('committed');
});

test('a file that was written into between two chunks of a pull is named, and never arrives as a mixture', async () => {
  const { session, at } = await openPull();
  await fetch(session, 0, 3);
  rewrite(at('big'), 'other bytes');
  await fetch(session, 1, 2);
  const refused = await session.commit();
  expect([refused.json.code, refused.json.details.entries]).toEqual(['source-changed', [1]]);
  expect((await session.call('GET', 'chunks/0')).json).toMatchObject({
    code: 'source-changed',
    details: { entries: [1] },
  });
  const rest = [[3, digestOf(session.transfer, chunkBytes(session.transfer, 3))]] as const;
  const digest = transferDigest(session.transfer.manifest.id, 6, rest);
  expect((await session.commit({ digest, bytesTotal: 6, excluded: [1, 1] })).json.state).toBe('committed');
});

test('a small file that was written into is named when its chunk is pulled again', async () => {
  const { session, at } = await openPull();
  await fetch(session, 0, 1, 2, 3);
  rewrite(at('small'), 'BYTES');
  const again = await session.call('GET', 'chunks/3');
  expect([again.json.code, again.json.details.entries]).toEqual(['source-changed', [2]]);
  const { body } = await session.call('GET', 'chunks/3');
  expect(body.subarray(0, 6).toString()).toBe('\0\0\0\0\0x');
});

test('a file with another time is named at once in a pull', async () => {
  const { session, at } = await openPull();
  await fetch(session, 0);
  utimesSync(at('big'), SECONDS + 1, SECONDS + 1);
  const { json } = await session.call('GET', 'chunks/1');
  expect([json.code, json.details.entries]).toEqual(['source-changed', [1]]);
});
