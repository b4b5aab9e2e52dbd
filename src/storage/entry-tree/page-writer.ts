/** Writes new pages of the tree, many into one object, so that a commit costs few puts. */
import { randomBytes } from 'node:crypto';
import type { ObjectStore } from '../objects/object-store.ts';
import { pageId, type PagePlace } from './branch-codec.ts';

/** An object is full when its pages have so many bytes. */
export const PACK_BYTES = 4 * 1024 * 1024;

/** Takes pages and tells where they will lie. */
export interface PageWriter {
  /** Takes the bytes of a page; they are durable after {@link finish}. */
  write(bytes: Buffer): Promise<PagePlace>;
  /** Resolves when everything is durable. @throws CairnError storage codes */
  finish(): Promise<void>;
}

/**
 * Makes a writer of objects below a prefix that ends with a slash. A page that it has already written gets the same
 * place again, also after `finish`. Once a put has failed, every later call fails.
 */
export function createPageWriter(objects: Pick<ObjectStore, 'put'>, prefix: string): PageWriter {
  const places = new Map<string, PagePlace>();
  let key = packKey(prefix);
  let pieces: Buffer[] = [];
  let offset = 0;
  let putting: Promise<unknown> = Promise.resolve();
  const flush = async (): Promise<void> => {
    // One object is on its way while the next one fills.
    await putting;
    const body = Buffer.concat(pieces);
    // Without a condition, which would cost a look before: its key is its own.
    putting = objects.put(key, body);
    putting.catch(() => undefined); // the next call gets the error
    key = packKey(prefix);
    pieces = [];
    offset = 0;
  };
  return {
    write: async (bytes) => {
      // By all bytes: a branch that names other places of the same pages has the same id.
      const name = pageId(bytes);
      const known = places.get(name);
      if (known !== undefined) return known;
      const place = { key, offset, lengthBytes: bytes.byteLength };
      places.set(name, place);
      pieces.push(bytes);
      offset += bytes.byteLength;
      if (offset >= PACK_BYTES) await flush();
      return place;
    },
    finish: async () => {
      if (pieces.length > 0) await flush();
      await putting;
    },
  };
}

/** No two objects have one key, so that none is ever replaced. */
function packKey(prefix: string): string {
  return `${prefix}t-${randomBytes(12).toString('hex')}`;
}
