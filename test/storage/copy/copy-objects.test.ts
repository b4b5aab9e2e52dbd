/** Copies of all objects of a store, sessions and tokens among them. */
import { expect, test } from 'vitest';
import { copyObjects } from '../../../src/storage/copy/copy-objects.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { bytesOfObject } from '../../../src/storage/objects/object-body.ts';
import { stepping, type Request } from '../object-content/stepping.ts';
import { Crash, listen, mortal, openRoot, runCopy, treeOf, writeTree, type Told } from './copy-scene.ts';

/** The store of a server, with a tree, a session and a token. */
async function fullStore(): Promise<ObjectStore> {
  const objects = createMemoryObjects();
  await runCopy(await openRoot(writeTree()), treeOf(objects));
  for (const key of ['a/tokens', 's/session', 'd/session/area', 'f/x/session', 'l/collector'])
    await objects.put(key, Buffer.from(`text of ${key}`));
  return objects;
}

async function pictureOf(objects: ObjectStore): Promise<Record<string, string>> {
  const picture: Record<string, string> = {};
  for await (const { key } of objects.list('')) {
    const found = await objects.get(key);
    if (found !== undefined && found !== 'unchanged' && !key.startsWith('l/'))
      picture[key] = (await bytesOfObject(found)).toString('base64');
  }
  return picture;
}

/** Time at the target goes on by a second with each object, so that no two have one time. */
function withClock(objects: ObjectStore): ObjectStore {
  let nowMs = 1000;
  const times = new Map<string, number>();
  return {
    ...objects,
    put: async (key, ...rest) => {
      times.set(key, (nowMs += 1000));
      return objects.put(key, ...rest);
    },
    list: async function* (...range) {
      for await (const head of objects.list(...range)) yield { ...head, modifiedAtMs: times.get(head.key)! };
    },
    now: async () => (nowMs += 1000),
  };
}

/** A copy whose mark outlives its process. */
function createCopy() {
  const mark = { verifiedUntilMs: 0 };
  const run = async (from: ObjectStore, to: ObjectStore): Promise<Told> => {
    const { told, report } = listen();
    await copyObjects(from, to, {
      verifiedUntilMs: mark.verifiedUntilMs,
      onVerified: async (untilMs) => void (mark.verifiedUntilMs = untilMs),
      report,
      signal: new AbortController().signal,
    });
    return told;
  };
  return { run };
}

test('a copy of a store has all of its objects but leases, and a second copy puts none again', async () => {
  const [from, kept] = [await fullStore(), withClock(createMemoryObjects())];
  const asked: Record<Request, number> = { put: 0, get: 0, list: 0, remove: 0 };
  const to = stepping(kept, (kind) => void (asked[kind] += 1));
  const { run } = createCopy();
  const first = await run(from, to);
  expect(await pictureOf(kept)).toEqual(await pictureOf(from));
  const { puts, objects } = { puts: asked.put, objects: first.entries };
  expect(puts).toBe(objects);
  Object.assign(asked, { put: 0, get: 0 });
  const again = await run(from, to);
  const content = Object.keys(await pictureOf(from)).filter((key) => key.startsWith('c/')).length;
  expect(content).toBeGreaterThan(2);
  expect([again.bytesCopied, asked.put, asked.get]).toEqual([0, 0, objects - content]);
});

test('a copy of a store that has changed since has the change, and nothing that is gone', async () => {
  const [from, to] = [await fullStore(), withClock(createMemoryObjects())];
  const { run } = createCopy();
  await run(from, to);
  await from.put('a/tokens', Buffer.from('TEXT OF a/tokens'));
  await from.remove(['s/session']);
  await from.put('zzz', Buffer.from('new'));
  await run(from, to);
  expect(await pictureOf(to)).toEqual(await pictureOf(from));
});

test('a copy that dies at any request goes on, and puts nothing twice that was there', async () => {
  const from = await fullStore();
  const wanted = await pictureOf(from);
  let deaths = 0;
  for (let deadly = 1; ; deadly += 4) {
    const to = withClock(createMemoryObjects());
    const { run } = createCopy();
    const died = await run(from, mortal(to, deadly)).catch((error: unknown) => error);
    if (!(died instanceof Error)) break;
    expect(died).toBeInstanceOf(Crash);
    deaths += 1;
    const there = Object.keys(await pictureOf(to)).length;
    let puts = 0;
    await run(
      from,
      stepping(to, (kind) => {
        if (kind === 'put') puts += 1;
      }),
    );
    expect(await pictureOf(to)).toEqual(wanted);
    expect(puts).toBe(Object.keys(wanted).length - there);
  }
  expect(deaths).toBeGreaterThan(5);
});

test('content that a killed copy had put and not read back is read back by the next one, and put again where it is wrong', async () => {
  const [from, to] = [await fullStore(), withClock(createMemoryObjects())];
  const { run } = createCopy();
  await run(from, mortal(to, 6)).catch(() => undefined);
  const key = Object.keys(await pictureOf(to)).find((each) => each.startsWith('c/'))!;
  const found = await to.get(key);
  if (found === undefined || found === 'unchanged') throw new Error('it is there');
  const bytes = await bytesOfObject(found);
  bytes[0]! ^= 1;
  await to.put(key, bytes);
  await run(from, to);
  expect(await pictureOf(to)).toEqual(await pictureOf(from));
});

test('a copy that loses its store before it removes what the source has no more leaves that as it is', async () => {
  const [from, to] = [createMemoryObjects(), createMemoryObjects()];
  await to.put('s/old', Buffer.from('old'));
  const lost = new AbortController();
  let noted = 0;
  const copying = copyObjects(from, to, {
    verifiedUntilMs: 0,
    onVerified: async () => {
      noted += 1;
      if (noted === 2) lost.abort(new Crash());
    },
    report: listen().report,
    signal: lost.signal,
  });
  await expect(copying).rejects.toThrow(Crash);
  expect(Object.keys(await pictureOf(to))).toEqual(['s/old']);
});

test('a store that gives other bytes back than it took ends the copy', async () => {
  const objects = createMemoryObjects();
  const forgetful: ObjectStore = {
    ...objects,
    put: async (key) => objects.put(key, Buffer.from('something else')),
  };
  const { run } = createCopy();
  await expect(run(await fullStore(), forgetful)).rejects.toMatchObject({ code: 'verify-failed' });
});
