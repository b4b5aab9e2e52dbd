/** How tests open an object store, and look into it. */
import { onTestFinished } from 'vitest';
import type { GetOptions, ObjectStore } from '../../src/storage/objects/object-store.ts';

/** An object store under test; `reopen` gives what another process would see. */
export interface ObjectStorePlace {
  readonly store: ObjectStore;
  reopen(): Promise<ObjectStore>;
  cleanup(): Promise<void>;
}

/** Makes a new, empty store. */
export type MakeObjects = () => Promise<ObjectStorePlace>;

/** Opens a place that goes with the test. */
export async function openObjects(makeStore: MakeObjects): Promise<ObjectStorePlace> {
  const place = await makeStore();
  onTestFinished(() => place.cleanup());
  return place;
}

/** What is under a key, as text; `unchanged` and undefined as the store says them. */
export async function textOf(
  store: ObjectStore,
  key: string,
  options: GetOptions = {},
): Promise<string | undefined> {
  const found = await store.get(key, options);
  if (found === undefined || found === 'unchanged') return found;
  const pieces: Buffer[] = [];
  for await (const piece of found.bytes) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}

/** Keys as the store lists them. */
export async function keysOf(store: ObjectStore, prefix = '', after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix, after)) keys.push(key);
  return keys;
}

/** Puts a text; answers the tag, undefined where the condition does not hold. */
export const put = (
  store: ObjectStore,
  key: string,
  text: string,
  ifMatch?: string | null,
): Promise<string | undefined> => store.put(key, Buffer.from(text), ifMatch === undefined ? {} : { ifMatch });
