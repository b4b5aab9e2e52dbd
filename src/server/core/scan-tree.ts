/** Scans a tree of the store into the lines of the wire, as the scan finds them. */
import { createHash } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import type { ScannedEntry } from '../../manifest/entry.ts';
import { EntryTable } from '../../manifest/entry-table.ts';
import { createLinkFinder } from '../../manifest/hard-links.ts';
import {
  encodeEntry,
  encodeHeader,
  type Manifest,
  type ManifestParameters,
} from '../../manifest/manifest.ts';
import type { Uncarried, UncarriedCounts } from '../../manifest/metadata.ts';
import { StringTable, type StringList } from '../../manifest/string-table.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { Notice } from '../../wire/tree-stream.ts';

/** What to scan, and how to describe it. */
export interface TreeQuery {
  /** Safe relative path. */
  readonly path: string;
  readonly parameters: ManifestParameters;
  readonly depth?: 1;
  readonly maxEntries: number;
}

/** A tree after a complete scan. */
export interface ScannedTree {
  readonly manifest: Manifest;
  readonly identities: StringList;
  readonly notices: readonly Notice[];
  /** How many entries have something that is not carried, where metadata was asked for. */
  readonly uncarried: UncarriedCounts;
}

/**
 * Scans a tree and hands its lines to `onLines` as they come, all but the last ones (see `encodeTail`).
 *
 * @param keep whether the caller needs the entries afterwards; without, the tree takes no memory and its manifest is
 * empty
 * @throws CairnError `manifest-too-large`; errors of the store's scan and of `onLines`
 */
export async function scanTree(
  content: ContentStore,
  query: TreeQuery,
  options: { keep: boolean; onLines: (lines: string) => Promise<void> },
): Promise<ScannedTree> {
  const hash = createHash('sha256');
  const entries = new EntryTable();
  const identities = new StringTable();
  const notices: Notice[] = [];
  const uncarried = new Map<Uncarried, number>();
  let encodedBytes = 0;
  const emit = (lines: string): Promise<void> => {
    encodedBytes += Buffer.byteLength(lines);
    hash.update(lines);
    return options.onLines(lines);
  };
  const linked = createLinkFinder();
  let header: string | undefined = `${encodeHeader(query.parameters)}\n`;
  let count = 0;
  for await (const batch of scan(content, query, notices, uncarried)) {
    count += batch.length;
    if (count > query.maxEntries) throw tooLarge(query.maxEntries);
    const listed = batch.map((found) => linked(found, found.entry.path));
    if (options.keep) {
      for (const entry of listed) entries.push(entry);
      for (const { identity } of batch) identities.push(identity);
    }
    await emit((header ?? '') + listed.map((entry) => `${encodeEntry(entry)}\n`).join(''));
    header = undefined;
  }
  if (header !== undefined) await emit(header);
  const manifest = { ...query.parameters, entries, encodedBytes, id: hash.digest('hex') };
  return { manifest, identities, notices, uncarried };
}

function scan(
  content: ContentStore,
  query: TreeQuery,
  notices: Notice[],
  uncarried: Map<Uncarried, number>,
): AsyncIterable<ScannedEntry[]> {
  const onNotice = (notice: Notice): void => void notices.push(notice);
  const onUncarried = (what: Uncarried): void => void uncarried.set(what, (uncarried.get(what) ?? 0) + 1);
  const { path, depth, parameters } = query;
  const { metadata } = parameters;
  return content.scan(path, { onNotice, onUncarried, ...(depth === undefined ? {} : { depth }), metadata });
}

function tooLarge(maxEntries: number): CairnError {
  return new CairnError('manifest-too-large', `the tree has more than ${maxEntries} entries; pull its parts`);
}
