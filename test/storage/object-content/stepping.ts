/** Object stores that tell of each request before they do it, or fail from one request on. */
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';

/** The kind of a request. */
export type Request = 'put' | 'get' | 'list' | 'remove';

/** The same store; `before` is called before each request, with its kind and key. */
export function stepping(
  inner: ObjectStore,
  before: (kind: Request, key: string) => Promise<void> | void,
  after: (kind: Request, key: string) => Promise<void> | void = () => undefined,
): ObjectStore {
  return {
    ...inner,
    put: async (key, ...rest) => {
      await before('put', key);
      const etag = await inner.put(key, ...rest);
      await after('put', key);
      return etag;
    },
    get: async (key, ...rest) => {
      await before('get', key);
      return inner.get(key, ...rest);
    },
    list: async function* (prefix, ...rest) {
      await before('list', prefix);
      yield* inner.list(prefix, ...rest);
    },
    remove: async (keys) => {
      await before('remove', keys.join());
      await inner.remove(keys);
      await after('remove', keys.join());
    },
  };
}

/** Calls a function once, at the request with this number. */
export function atRequest(wanted: number, act: () => Promise<void> | void): () => Promise<void> {
  let requests = 0;
  return async () => {
    requests += 1;
    if (requests === wanted) await act();
  };
}
