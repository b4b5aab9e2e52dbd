/** Keeps decoded pages of the tree in memory, by where they lie, up to a number of encoded bytes. */
import type { PagePlace, PageRef } from './branch-codec.ts';
import type { TreeEntry } from './tree-entry.ts';

/** A decoded page: the entries of a leaf, or the pages below a branch. */
export type TreePage =
  | { readonly entries: readonly TreeEntry[]; readonly pages?: undefined }
  | { readonly pages: readonly PageRef[]; readonly entries?: undefined };

/** A cache of pages; what was used last stays longest. */
export interface PageCache {
  get(place: PagePlace): TreePage | undefined;
  set(place: PagePlace, page: TreePage): void;
}

/** Decoded pages take about ten times as much memory. */
const CACHE_BYTES = 3 * 1024 * 1024;

/** Makes an empty cache. */
export function createPageCache(maxBytes = CACHE_BYTES): PageCache {
  const pages = new Map<string, { readonly page: TreePage; readonly lengthBytes: number }>();
  let bytes = 0;
  return {
    get: (place) => {
      const name = nameOf(place);
      const found = pages.get(name);
      if (found === undefined) return undefined;
      pages.delete(name);
      pages.set(name, found);
      return found.page;
    },
    set: (place, page) => {
      const name = nameOf(place);
      if (pages.has(name)) return;
      pages.set(name, { page, lengthBytes: place.lengthBytes });
      bytes += place.lengthBytes;
      for (const [oldest, { lengthBytes }] of pages) {
        if (bytes <= maxBytes) return;
        pages.delete(oldest);
        bytes -= lengthBytes;
      }
    },
  };
}

/** Never by the id of the page: the same branch may name its pages in places that are freed by now. */
function nameOf({ key, offset }: PagePlace): string {
  return `${key}:${offset}`;
}
