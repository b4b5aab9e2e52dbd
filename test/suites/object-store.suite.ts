import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { GetOptions } from '../../src/storage/objects/object-store.ts';
import { conditionTests } from './object-store-conditions.ts';
import { keyTests, listTests } from './object-store-listing.ts';
import { keysOf, type MakeObjects, openObjects, put, textOf } from './objects-at-hand.ts';
import { codeOf } from './staged-transfer.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What every object store must do, as vitest tests. */
export function objectStoreSuite(name: string, makeStore: MakeObjects): void {
  describe(`${name}: putting and getting`, () => putTests(makeStore));
  describe(`${name}: wrong bodies`, () => bodyTests(makeStore));
  describe(`${name}: conditional puts`, () => conditionTests(makeStore));
  describe(`${name}: listing and removing`, () => listTests(makeStore));
  describe(`${name}: keys`, () => keyTests(makeStore));
}

function putTests(makeStore: MakeObjects): void {
  it('an object store gives back what was put, also to another process', async () => {
    const { store, reopen } = await openObjects(makeStore);
    const etag = await put(store, 'a/b', 'bytes');
    for (const each of [store, await reopen()]) {
      const head = await each.get('a/b', { to: 0 });
      expect(head).toMatchObject({ key: 'a/b', etag, sizeBytes: 5 });
      expect(await textOf(each, 'a/b')).toBe('bytes');
    }
  });

  it('an object store knows nothing of a key that was never put', async () => {
    const { store } = await openObjects(makeStore);
    await put(store, 'a/b', 'x');
    for (const key of ['a', 'a/b/c', 'b', 'A/b']) expect(await store.get(key)).toBeUndefined();
  });

  it('an object store replaces an object, and gives each version another tag', async () => {
    const { store } = await openObjects(makeStore);
    const first = await put(store, 'k', 'first');
    const second = await put(store, 'k', 'second');
    expect(second).not.toBe(first);
    expect(await textOf(store, 'k')).toBe('second');
  });

  it('an object store keeps empty objects', async () => {
    const { store } = await openObjects(makeStore);
    await put(store, 'empty', '');
    expect(await store.get('empty', { to: 0 })).toMatchObject({ sizeBytes: 0 });
    expect(await textOf(store, 'empty')).toBe('');
    expect(await keysOf(store)).toEqual(['empty']);
  });

  it('an object store takes a body of many pieces', async () => {
    const { store } = await openObjects(makeStore);
    const pieces = Array.from({ length: 100 }, (_, index) => Buffer.alloc(10_000, index));
    async function* open(): AsyncGenerator<Uint8Array> {
      // One memory for all of them, as a reader from a disk has it.
      const memory = Buffer.alloc(10_000);
      for (const piece of pieces) {
        memory.set(piece);
        yield memory;
      }
    }
    const whole = Buffer.concat(pieces);
    const digest = createHash('sha256').update(whole).digest('hex');
    await store.put('many', { sizeBytes: whole.byteLength, open }, { sha256: digest });
    expect(await textOf(store, 'many')).toBe(whole.toString());
  });

  it('an object store gives the bytes of a range, cut at the end', async () => {
    const { store } = await openObjects(makeStore);
    await put(store, 'k', '0123456789');
    const ranges: [GetOptions, string][] = [
      [{ from: 3 }, '3456789'],
      [{ to: 4 }, '0123'],
      [{ from: 3, to: 5 }, '34'],
      [{ from: 8, to: 99 }, '89'],
      [{ from: 10 }, ''],
      [{ from: 99, to: 100 }, ''],
      [{ from: 4, to: 4 }, ''],
    ];
    for (const [range, text] of ranges) expect(await textOf(store, 'k', range)).toBe(text);
    expect(await store.get('k', { to: 0 })).toMatchObject({ sizeBytes: 10 });
  });

  it('an object store says that an object is unchanged while it has the tag of the caller', async () => {
    const { store } = await openObjects(makeStore);
    const etag = await put(store, 'k', 'one');
    expect(await textOf(store, 'k', { unless: etag! })).toBe('unchanged');
    await put(store, 'k', 'two');
    expect(await textOf(store, 'k', { unless: etag! })).toBe('two');
  });

  it('an object store gives the bytes of one version while the object is replaced and removed', async () => {
    const { store } = await openObjects(makeStore);
    await put(store, 'k', 'x'.repeat(3_000_000));
    const found = await store.get('k');
    await put(store, 'k', 'y');
    await store.remove(['k']);
    if (found === undefined || found === 'unchanged') throw new Error('it is there');
    let bytes = 0;
    for await (const piece of found.bytes) {
      expect(Buffer.from(piece).every((byte) => byte === 'x'.charCodeAt(0))).toBe(true);
      bytes += piece.byteLength;
    }
    expect(bytes).toBe(3_000_000);
  });

  it('an object store lets an object be closed that nobody reads, also twice', async () => {
    const { store } = await openObjects(makeStore);
    await put(store, 'k', 'x');
    const found = await store.get('k');
    if (found === undefined || found === 'unchanged') throw new Error('it is there');
    await found.close();
    await found.close();
  });

  it('an object store tells times by its own clock', async () => {
    const { store, reopen } = await openObjects(makeStore);
    const before = await store.now();
    await put(store, 'k', 'x');
    const after = await (await reopen()).now();
    for await (const { modifiedAtMs } of store.list('k')) {
      expect(modifiedAtMs).toBeGreaterThanOrEqual(before);
      expect(modifiedAtMs).toBeLessThanOrEqual(after);
    }
  });
}

function bodyTests(makeStore: MakeObjects): void {
  async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
    for (const text of texts) yield Buffer.from(text);
  }

  it('an object store refuses bytes that are not those of their SHA-256, and keeps the old object', async () => {
    const { store } = await openObjects(makeStore);
    await put(store, 'k', 'old');
    const wrong = (key: string) => store.put(key, Buffer.from('other'), { sha256: sha256('bytes') });
    expect(await codeOf(() => wrong('k'))).toBe('digest-mismatch');
    expect(await codeOf(() => wrong('new'))).toBe('digest-mismatch');
    expect(await textOf(store, 'k')).toBe('old');
    expect(await keysOf(store)).toEqual(['k']);
    await store.put('k', Buffer.from('bytes'), { sha256: sha256('bytes') });
    expect(await textOf(store, 'k')).toBe('bytes');
  });

  it('an object store refuses a body that is shorter or longer than it says', async () => {
    const { store } = await openObjects(makeStore);
    for (const sizeBytes of [3, 5])
      expect(await codeOf(() => store.put('k', { sizeBytes, open: () => pieces('ab', 'cd') }))).toBe(
        'internal',
      );
    expect(await keysOf(store)).toEqual([]);
  });

  it('an object store refuses a body that is too large before it reads it', async () => {
    const { store } = await openObjects(makeStore);
    const sizeBytes = store.capabilities.maxObjectBytes + 1;
    const open = (): AsyncIterable<Uint8Array> => expect.unreachable('it was read');
    expect(await codeOf(() => store.put('k', { sizeBytes, open }))).toBe('storage-unsupported');
  });

  it('an object store keeps nothing of a body that fails', async () => {
    const { store } = await openObjects(makeStore);
    async function* open(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('ab');
      throw Object.assign(new Error('the source failed'), { code: 'EIO' });
    }
    await expect(store.put('k', { sizeBytes: 4, open })).rejects.toThrow();
    expect(await keysOf(store)).toEqual([]);
    expect(await put(store, 'k', 'whole', null)).toBeTypeOf('string');
  });
}
