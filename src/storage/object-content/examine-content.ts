/** Looks whether a store has everything that its root names, and what nobody names; changes nothing. */
import { CairnError, EXIT } from '../../base/errors.ts';
import type { PageRef } from '../entry-tree/branch-codec.ts';
import { createPageCache } from '../entry-tree/page-cache.ts';
import { createPageReader, type PageReader } from '../entry-tree/page-reader.ts';
import type { TreeEntry } from '../entry-tree/tree-entry.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { CONTENT, findEndedAreas } from './collect-objects.ts';
import { openRootObject } from './tree-root.ts';

/** The prefixes of everything that servers keep. */
const KNOWN = ['a/', CONTENT, 'd/', 'f/', 'g/', 'i/root', 'l/', 's/'];

/** Called with what is found. */
export interface ContentFindings {
  /** A file of which bytes are gone; `why` is for people. */
  lostFile(path: string, why: string): void;
  /** A part of the tree that cannot be read: the entries from `first` on. */
  lostPage(first: string, entries: number, error: CairnError): void;
  /** An object that no version of cairn that is known here has put. */
  strayObject(key: string): void;
  /** Called for each page, with the entries below it. */
  progress(entries: number): void;
}

/** What was looked at. */
export interface ContentExamination {
  entries: number;
  /** Objects with content and pages. */
  objects: number;
  /** Those of them that nothing needs, and their bytes. */
  unusedObjects: number;
  unusedBytes: number;
  /** Whether the whole tree could be read, so that what is unused is known. */
  isWhole: boolean;
}

/** Examines it; nobody changes the store meanwhile. @throws CairnError where the root is damaged, or the store fails */
export async function examineContent(
  objects: ObjectStore,
  findings: ContentFindings,
): Promise<ContentExamination> {
  const sizes = new Map<string, number>();
  for await (const { key, sizeBytes } of objects.list('')) {
    if (key.startsWith(CONTENT)) sizes.set(key, sizeBytes);
    else if (!KNOWN.some((known) => key.startsWith(known))) findings.strayObject(key);
  }
  const exam = { entries: 0, objects: sizes.size, unusedObjects: 0, unusedBytes: 0, isWhole: true };
  const { tree } = await openRootObject(objects).read();
  const needed = new Set<string>();
  const pages = createPageReader(objects, createPageCache());
  if (tree !== undefined) await walk(pages, tree, { sizes, needed, exam, findings });
  if (!exam.isWhole) return exam;
  const isEnded = await findEndedAreas(objects);
  for (const [key, sizeBytes] of sizes) {
    if (needed.has(key) || !(await isEnded(key))) continue;
    exam.unusedObjects += 1;
    exam.unusedBytes += sizeBytes;
  }
  return exam;
}

interface Walk {
  readonly sizes: ReadonlyMap<string, number>;
  readonly needed: Set<string>;
  readonly exam: ContentExamination;
  readonly findings: ContentFindings;
}

async function walk(pages: PageReader, ref: PageRef, on: Walk): Promise<void> {
  const { needed, exam, findings } = on;
  needed.add(ref.place.key);
  try {
    if (ref.level === 0) {
      const entries = await pages.leaf(ref);
      exam.entries += entries.length;
      findings.progress(entries.length);
      for (const each of entries) lookAt(each, on);
      return;
    }
    for (const below of await pages.branch(ref)) await walk(pages, below, on);
  } catch (error) {
    if (!(error instanceof CairnError) || error.traits.exitCode !== EXIT.storage || !isDamage(error))
      throw error;
    exam.isWhole = false;
    findings.lostPage(ref.first, ref.entries, error);
  }
}

/** A page that is gone or damaged; other errors of the storage say nothing of it. */
function isDamage({ code, details }: CairnError): boolean {
  return code === 'storage-io' && details['key'] !== undefined;
}

function lookAt({ entry: { path }, extents }: TreeEntry, { sizes, needed, findings }: Walk): void {
  let why: string | undefined;
  for (const { key, from, lengthBytes } of extents) {
    needed.add(key);
    const sizeBytes = sizes.get(key);
    if (sizeBytes === undefined) why ??= `the object "${key}" is gone`;
    else if (sizeBytes < from + lengthBytes)
      why ??= `the object "${key}" has ${sizeBytes} bytes, and ${from + lengthBytes} are needed`;
  }
  if (why !== undefined) findings.lostFile(path, why);
}
