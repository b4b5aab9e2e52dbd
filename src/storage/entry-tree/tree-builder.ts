/** Builds the pages of a tree from entries, and from whole pages that did not change, in canonical order. */
import { createBreather } from '../../base/breather.ts';
import { encodeBranch, pageId, type PageRef } from './branch-codec.ts';
import { isFull, isIdCut, isPathCut } from './cut.ts';
import { encodeLeaf } from './leaf-codec.ts';
import type { TreePage } from './page-cache.ts';
import type { PageReader } from './page-reader.ts';
import type { PageWriter } from './page-writer.ts';
import type { TreeEntry } from './tree-entry.ts';

/** Takes the content of a tree from its first path to its last. */
export interface TreeBuilder {
  add(entry: TreeEntry): Promise<void>;
  /** Takes over a whole page. Only where {@link isAtBoundary} of its level. */
  addPage(ref: PageRef): Promise<void>;
  /** Whether no page of this level or a lower one has been begun. */
  isAtBoundary(level: number): boolean;
  /** Notes the page that is being read, and the pages below it: where it comes out the same, it is not written again. */
  noteRead(ref: PageRef, below?: readonly PageRef[]): void;
  /** Ends the tree; answers its root, or undefined where it is empty. */
  finish(): Promise<PageRef | undefined>;
}

/** Makes a builder. */
export function createTreeBuilder(pages: PageReader, writer: PageWriter): TreeBuilder {
  let entries: TreeEntry[] = [];
  /** The begun branches; that at index 0 is one of level 1, and takes leaves. */
  const levels: PageRef[][] = [];
  const read = createReadPages();
  const taken = new WeakSet<PageRef>();
  const breathe = createBreather();
  const write = async (ref: Omit<PageRef, 'place'>, bytes: Buffer, page: TreePage): Promise<PageRef> => {
    const place = await writer.write(bytes);
    pages.note(place, page);
    return { ...ref, place };
  };
  const endLeaf = async (): Promise<void> => {
    await breathe();
    const bytes = encodeLeaf(entries);
    const id = pageId(bytes);
    const leaf = { id, level: 0, first: entries[0]!.entry.path, entries: entries.length };
    const written = entries;
    entries = [];
    await push(read.same(leaf) ?? (await write(leaf, bytes, { entries: written })));
  };
  const endBranch = async (level: number): Promise<void> => {
    const below = levels[level - 1]!;
    levels[level - 1] = [];
    const { id, bytes } = encodeBranch(below);
    const total = below.reduce((sum, page) => sum + page.entries, 0);
    const branch = { id, level, first: below[0]!.first, entries: total };
    await push(read.same(branch, below) ?? (await write(branch, bytes, { pages: below })));
  };
  const push = async (ref: PageRef): Promise<void> => {
    for (let level = levels.length; level <= ref.level; level += 1) levels.push([]);
    const above = levels[ref.level]!;
    above.push(ref);
    if (isFull(above.length, () => isIdCut(ref.id))) await endBranch(ref.level + 1);
  };
  return {
    add: async (entry) => {
      entries.push(entry);
      if (isFull(entries.length, () => isPathCut(entry.entry.path))) await endLeaf();
    },
    addPage: async (ref) => {
      taken.add(ref);
      await push(ref);
    },
    isAtBoundary: (level) =>
      entries.length === 0 && levels.slice(0, level).every((below) => below.length === 0),
    noteRead: read.note,
    finish: async () => {
      if (entries.length > 0) await endLeaf();
      for (let level = 1; level <= levels.length; level += 1) {
        const below = levels[level - 1]!;
        const isTop = levels.slice(level).every((above) => above.length === 0);
        // A branch over a single page is at the end of a level, and no root.
        if (isTop && below.length === 1) return taken.has(below[0]!) ? lowest(pages, below[0]!) : below[0]!;
        if (below.length > 0) await endBranch(level);
      }
      return undefined;
    },
  };
}

async function lowest(pages: PageReader, root: PageRef): Promise<PageRef> {
  let ref = root;
  while (ref.level > 0) {
    const [only, more] = await pages.branch(ref);
    if (more !== undefined) return ref;
    ref = only!;
  }
  return ref;
}

/** The page that was read last on each level. */
function createReadPages() {
  const last: { readonly ref: PageRef; readonly below: readonly PageRef[] }[] = [];
  return {
    note: (ref: PageRef, below: readonly PageRef[] = []): void => {
      last[ref.level] = { ref, below };
    },
    /** The page that was read, where it is this one over the very same pages: those may lie elsewhere by now. */
    same: ({ id, level }: Omit<PageRef, 'place'>, below: readonly PageRef[] = []): PageRef | undefined => {
      const read = last[level];
      return read?.ref.id === id && below.every((ref, index) => isSamePlace(ref, read.below[index]!))
        ? read.ref
        : undefined;
    },
  };
}

function isSamePlace({ place }: PageRef, { place: other }: PageRef): boolean {
  return place.key === other.key && place.offset === other.offset;
}
