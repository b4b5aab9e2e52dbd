import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/trees.ts';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { establish, openScene, type Answer, type HandSession } from './by-hand.ts';

const TOLD = '["u","set-id bits",2]';

const linesOf = ({ body }: Answer): string[] => body.toString().trimEnd().split('\n');
const told = (answer: Answer): string[] => linesOf(answer).filter((line) => line.startsWith('["u"'));

async function openPull(metadata: 'group'[], root = temporaryDirectory()): Promise<HandSession> {
  mkdirSync(path.join(root, 'out'));
  for (const [name, mode] of [
    ['a', 0o4755],
    ['b', 0o2755],
    ['c', 0o755],
  ] as const) {
    writeFileSync(path.join(root, 'out', name), name);
    chmodSync(path.join(root, 'out', name), mode);
  }
  const scene = await openScene('local disk', { root });
  const transfer = transferOf(scene.stores.content, 'out', [directory(''), file('a', 'a')]);
  return establish(scene, transfer, 'pull', { metadata });
}

const getManifest = (session: HandSession): Promise<Answer> =>
  session.call('GET', 'manifest', { headers: { 'cairn-uncarried': 'tell' } });

test('a client that asks for it hears with the manifest of a pull what is not carried, each time, also after a restart', async () => {
  const session = await openPull(['group']);
  const first = await getManifest(session);
  expect(told(first)).toEqual([TOLD]);
  const again = await getManifest(session);
  expect(linesOf(again).toSorted()).toEqual(linesOf(first).toSorted());
  await session.scene.restart();
  await session.resume();
  expect(told(await getManifest(session))).toEqual([TOLD]);
});

test('a client that asks for it, too, gets an error with a code where the manifest was lost, and no tree that ends early', async () => {
  const root = temporaryDirectory();
  const session = await openPull(['group'], root);
  await getManifest(session);
  await session.scene.restart();
  const documents = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => path.basename(name) === 'manifest',
  );
  expect(documents).toHaveLength(1);
  rmSync(path.join(root, documents[0]!));
  await session.resume();
  const { status, body } = await getManifest(session);
  expect([status, JSON.parse(body.toString())]).toEqual([500, expect.objectContaining({ code: 'internal' })]);
});

test('a client that does not ask for it has no such lines in the manifest', async () => {
  const session = await openPull(['group']);
  expect(told(await session.call('GET', 'manifest'))).toEqual([]);
  expect(told(await session.call('GET', 'manifest'))).toEqual([]);
});

test('a pull without metadata has no such lines either: modes alone are what was asked for', async () => {
  expect(told(await getManifest(await openPull([])))).toEqual([]);
});
