import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import type { ChunkStaging, ContentStore } from '../../../src/storage/content-store.ts';
import { createObjectContent } from '../../../src/storage/object-content/object-content.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { expectTree } from '../../suites/expected-tree.ts';
import {
  begin,
  codeOf,
  directory,
  file,
  type Item,
  orderOf,
  putTree,
  type SampleTransfer,
  stageAll,
  transferOf,
} from '../../suites/staged-transfer.ts';
import { atRequest, stepping } from './stepping.ts';

const ID = 'at-once-of-these-tests';
const OLD = [directory(''), file('a', 'old'), file('b', 200_000), file('gone', 'stays')];
const NEW = [directory(''), file('a', 'new'), file('b', 'short'), directory('c'), file('c/d', 'new')];
const AFTER = [...NEW, file('gone', 'stays')];
const ABSENT: readonly Item[] = [];

const silence = (): Promise<void> => Promise.reject(new Error('the power went'));

async function staged(
  store: ContentStore,
  target: string,
  items: readonly Item[],
  id = ID,
): Promise<{ transfer: SampleTransfer; staging: ChunkStaging; discard: () => Promise<void> }> {
  const transfer = transferOf(store, target, items);
  const { area, staging } = await begin(store, id, transfer);
  await stageAll(staging, transfer);
  return { transfer, staging, discard: () => area.discard() };
}

/** What is at a path is one of these trees, whole. */
async function expectOneOf(store: ContentStore, path: string, ...trees: (readonly Item[])[]): Promise<void> {
  const failures: unknown[] = [];
  for (const items of trees) {
    try {
      if (items.length > 0) await expectTree(store, path, items);
      else expect(await codeOf(() => expectTree(store, path, items))).toBe('not-found');
      return;
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
}

/** How many requests publishing makes. */
async function requestsOfPublish(): Promise<number> {
  const objects = createMemoryObjects();
  await putTree(createObjectContent(objects), 't', OLD);
  let requests = 0;
  const { transfer, staging } = await staged(
    createObjectContent(stepping(objects, () => void (requests += 1))),
    't',
    NEW,
  );
  requests = 0;
  await staging.publish(orderOf(transfer));
  return requests;
}

const REQUESTS = await requestsOfPublish();
const EACH = Array.from({ length: REQUESTS }, (_, index) => index + 1);

describe('pushes to objects', () => {
  it('a push to objects appears at once: at each request another node sees the old tree or the new', async () => {
    for (const [path, before, after] of [
      ['t', OLD, AFTER],
      ['', OLD, AFTER],
      ['new/deep', ABSENT, NEW],
    ] as const) {
      const objects = createMemoryObjects();
      const other = createObjectContent(objects);
      if (before.length > 0) await putTree(other, path, before);
      let isPublishing = false;
      let looks = 0;
      const look = async (): Promise<void> => {
        if (!isPublishing) return;
        looks += 1;
        await expectOneOf(other, path, before, after);
      };
      const store = createObjectContent(stepping(objects, look, look));
      const { transfer, staging } = await staged(store, path, NEW);
      isPublishing = true;
      await staging.publish(orderOf(transfer));
      await expectTree(other, path, after);
      expect(looks).toBeGreaterThan(4);
    }
  });

  it.each(EACH)(
    'a push to objects is whole or absent after a crash at request %i, and the next publisher ends it',
    async (at) => {
      for (const isDone of [false, true]) {
        const objects = createMemoryObjects();
        await putTree(createObjectContent(objects), 't', OLD);
        let isDead = false;
        let publishing = false;
        const crash = atRequest(at, () => void (isDead = true));
        const before = async (): Promise<void> => {
          if (publishing && !isDone) await crash();
          if (isDead) await silence();
        };
        const after = async (): Promise<void> => {
          if (publishing && isDone) await crash();
          if (isDead) await silence();
        };
        const dying = createObjectContent(stepping(objects, before, after));
        const { transfer, staging } = await staged(dying, 't', NEW);
        publishing = true;
        await staging.publish(orderOf(transfer)).catch(() => undefined);
        const next = createObjectContent(objects);
        await expectOneOf(next, 't', OLD, AFTER);
        const { area, staging: again } = await begin(next, ID, transfer);
        await again.publish(orderOf(transfer));
        await expectTree(next, 't', AFTER);
        await area.discard();
        await expectTree(next, 't', AFTER);
      }
    },
  );

  it.each(EACH)('a push to objects keeps what another node publishes at its request %i', async (at) => {
    const objects = createMemoryObjects();
    const other = createObjectContent(objects);
    await putTree(other, 't', OLD);
    let isPublishing = false;
    const rival = atRequest(at, async () => {
      await putTree(other, 't', [directory(''), file('other', 'of another session'), file('a', 'other')]);
      await putTree(other, 'beside', OLD);
    });
    const store = createObjectContent(stepping(objects, () => (isPublishing ? rival() : undefined)));
    const { transfer, staging } = await staged(store, 't', NEW);
    isPublishing = true;
    await staging.publish(orderOf(transfer));
    // One of the two was the later one; all that only one of them has is there.
    const there = [...AFTER, file('other', 'of another session')];
    const theOther = there.map((item) => (item.entry.path === 'a' ? file('a', 'other') : item));
    await expectOneOf(other, 't', there, theOther);
    await expectTree(other, 'beside', OLD);
  });

  it('a push to objects whose root was put is reported as done after a crash, with the same refusals', async () => {
    const objects = createMemoryObjects();
    await putTree(createObjectContent(objects), 't', [directory(''), directory('a'), file('a/in', 'kept')]);
    let isDead = false;
    const dying = stepping(
      objects,
      () => (isDead ? silence() : undefined),
      (kind, key) => (kind === 'put' && key === 'i/root' ? void (isDead = true) : undefined),
    );
    const { transfer, staging } = await staged(createObjectContent(dying), 't', NEW);
    const refusals: string[][] = [];
    const orderNow = () => {
      const told: string[] = [];
      refusals.push(told);
      return orderOf(transfer, {
        onRefused: (index, { code, message }) => void told.push(`${index} ${code} ${message}`),
      });
    };
    // The put is read again to find out, which fails, too, unless it is the answer to the call that is lost.
    await staging.publish(orderNow()).catch(() => undefined);
    const next = createObjectContent(objects);
    const { staging: again } = await begin(next, ID, transfer);
    await putTree(next, 't', [directory(''), file('b', 'published later')]);
    await again.publish(orderNow());
    expect(refusals[1]).toEqual([expect.stringMatching(/^1 is-directory .*"t\/a"/)]);
    // What came later stays: the commit was done before it.
    expect((await next.lookup(['t/b']))[0]?.entry.sizeBytes).toBe('published later'.length);
  });

  it('a push to objects recognises its own root when the answer to the put is lost', async () => {
    const objects = createMemoryObjects();
    let losses = 0;
    const lossy = stepping(
      objects,
      () => undefined,
      (kind, key) => {
        if (kind !== 'put' || key !== 'i/root' || losses > 0) return;
        losses += 1;
        throw new CairnError('storage-io', 'the connection broke');
      },
    );
    const store = createObjectContent(lossy);
    const { transfer, staging } = await staged(store, 't', NEW);
    await staging.publish(orderOf(transfer));
    expect(losses).toBe(1);
    await expectTree(store, 't', NEW);
    expect(JSON.parse((await rootText(objects)) ?? '')).toMatchObject({ generation: 1 });
  });

  it('a push to objects drops its commit from the root once its session has ended', async () => {
    const objects = createMemoryObjects();
    const store = createObjectContent(objects);
    const { transfer, staging, discard } = await staged(store, 't', NEW);
    await staging.publish(orderOf(transfer));
    expect(JSON.parse(await rootText(objects))).toMatchObject({
      recent: [{ area: expect.stringContaining(ID) }],
    });
    await discard();
    await store.makeDirectory('other', { parents: false });
    expect(JSON.parse(await rootText(objects))).toMatchObject({ recent: [] });
  });

  it('a push to objects publishes nothing of a session that was ended meanwhile', async () => {
    const objects = createMemoryObjects();
    const store = createObjectContent(objects);
    const { transfer, staging, discard } = await staged(store, 't', NEW);
    await discard();
    await createObjectContent(objects).openStaging(ID);
    expect(await codeOf(() => staging.publish(orderOf(transfer)))).toBe('server-busy');
    expect(await store.lookup(['t'])).toEqual([undefined]);
  });
});

async function rootText(objects: ObjectStore): Promise<string> {
  const found = await objects.get('i/root');
  if (found === undefined || found === 'unchanged') return '';
  const pieces: Uint8Array[] = [];
  for await (const piece of found.bytes) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe('publishers that were stopped', () => {
  /** Publishes, and stops before the request that puts the root; answers how to let it go on. */
  async function stoppedPublisher(objects: ObjectStore) {
    let goOn = (): void => undefined;
    let isStopped = false;
    let reached = (): void => undefined;
    const isThere = new Promise<void>((resolve) => (reached = resolve));
    const wait = new Promise<void>((resolve) => (goOn = resolve));
    const store = createObjectContent(
      stepping(objects, async (kind, key) => {
        if (kind !== 'put' || key !== 'i/root' || isStopped) return;
        isStopped = true;
        reached();
        await wait;
      }),
    );
    const { transfer, staging } = await staged(store, 't', NEW);
    let term = 1;
    const confirmFor = (mine: number) => async () => {
      if (term !== mine) throw new CairnError('server-busy', 'another node has taken over');
    };
    const publishing = staging.publish(orderOf(transfer, { confirm: confirmFor(1) }));
    await isThere;
    return {
      transfer,
      takeOver: () => confirmFor((term += 1)),
      wake: async () => {
        goOn();
        return codeOf(() => publishing);
      },
    };
  }

  it('a publisher that was stopped changes nothing after another node has published and newer content came', async () => {
    const objects = createMemoryObjects();
    const { transfer, takeOver, wake } = await stoppedPublisher(objects);
    const next = createObjectContent(objects);
    const { staging } = await begin(next, ID, transfer);
    await staging.publish(orderOf(transfer, { confirm: takeOver() }));
    const newest = [directory(''), file('a', 'newest'), file('b', 'newest')];
    await putTree(next, 't', newest);
    // It finds that the session's commit is done.
    expect(await wake()).toBe('done');
    const rest = NEW.filter(({ entry }) => entry.path.startsWith('c'));
    await expectTree(next, 't', [...newest, ...rest]);
  });

  it('a publisher that was stopped publishes nothing after the next publisher has failed', async () => {
    const objects = createMemoryObjects();
    const { transfer, takeOver, wake } = await stoppedPublisher(objects);
    const next = createObjectContent(objects);
    const { staging } = await begin(next, ID, transfer);
    await staging.forget([0]);
    expect(await codeOf(() => staging.publish(orderOf(transfer, { confirm: takeOver() })))).toBe(
      'chunks-missing',
    );
    expect(await wake()).toBe('server-busy');
    expect(await next.lookup(['t'])).toEqual([undefined]);
  });

  it('a publisher that was stopped publishes nothing after another node has looked and found nothing published', async () => {
    const objects = createMemoryObjects();
    const { transfer, takeOver, wake } = await stoppedPublisher(objects);
    const next = createObjectContent(objects);
    const { staging } = await begin(next, ID, transfer);
    takeOver();
    expect(await staging.isPublished?.()).toBe(false);
    expect(await wake()).toBe('server-busy');
    expect(await next.lookup(['t'])).toEqual([undefined]);
    await staging.publish(orderOf(transfer));
    expect(await staging.isPublished?.()).toBe(true);
  });
});
