/** Reads what a manifest says is there, and knows which entries are no longer what was scanned. */
import { CairnError } from '../../base/errors.ts';
import type { ReadonlyChunkSet } from '../../checkpoint/chunk-set.ts';
import { carriedPieces } from '../../manifest/assembly.ts';
import type { Segment } from '../../manifest/layout.ts';
import type { StringList } from '../../manifest/string-table.ts';
import type { SegmentReader } from '../../transfer/chunk-transfer.ts';
import type { ReadNow } from '../../transfer/segment-batch.ts';
import { sourceCodeOf, zeros } from '../../transfer/excluded-entries.ts';
import { changeOf, lookUpInTurn, lookUpSources, type FoundSource } from '../../transfer/source-lookup.ts';
import { SourceVersions } from '../../transfer/source-versions.ts';
import { leaveOut, type Pass } from '../transfer/pass.ts';
import type { LocalSource } from './source.ts';

/** The entries of a push as they are read. */
export interface SourceReader {
  /**
   * The bytes of a segment; zeros for one that is excluded. A source that is not what was scanned is excluded, named
   * by a warning, and ends the read with {@link isToReadAgain}.
   */
  readonly read: SegmentReader;
  /** Reads a small segment at once where nothing speaks against it; what does, {@link read} finds, too. */
  readonly readNow: ReadNow;
  /**
   * Looks at entries again, without reading them, and excludes those that are not what was scanned. Answers whether any
   * has to be read again.
   */
  checkIdentities(entries: ReadonlyChunkSet): Promise<boolean>;
  /** How often an entry was seen with another device, inode or ctime than before. */
  readonly touches: number;
  /** Whether that was seen of an entry after there were so many touches in all. */
  wasTouchedAfter(entryIndex: number, touches: number): boolean;
}

/** What a reader is made of. */
export interface SourceReaderOptions {
  readonly pass: Pick<Pass, 'manifest' | 'plan' | 'excluded' | 'name' | 'report'>;
  readonly source: LocalSource;
  readonly identities: StringList;
  /** Told of an entry whose device, inode or ctime is another than before: what was read of it has to be proved again. */
  readonly onTouched: (entryIndex: number) => void;
}

/** Whether an error says that an entry turned out to be another than it was while a chunk was read: that is to be read again. */
export function isToReadAgain(error: unknown): boolean {
  return error instanceof CairnError && error.details['isToReadAgain'] === true;
}

/** Makes the reader; what it excludes is left out of the pass. */
export function createSourceReader(options: SourceReaderOptions): SourceReader {
  const { source, pass } = options;
  const { manifest, excluded } = pass;
  const { assemblies } = pass.plan;
  const versions = new SourceVersions(options.identities, options.onTouched);
  /** Paths that are sent as they were read early, since their source has changed. */
  const changed = new Set<string>();
  const pathOf = (entryIndex: number): string => manifest.entries.pathOf(entryIndex);

  async function* readWhole(segment: Segment): AsyncGenerator<Uint8Array> {
    const { entryIndex, entryOffset, lengthBytes } = segment;
    const path = pathOf(entryIndex);
    const expected = versions.of(entryIndex);
    const range = { from: entryOffset, to: entryOffset + lengthBytes };
    const assembly = assemblies?.get(entryIndex);
    const ranges = assembly === undefined ? [range] : carriedPieces(assembly.carried, range);
    try {
      for (const each of ranges) yield* readRange(source, { path, identity: expected }, each, changed);
    } catch (error) {
      const code = sourceCodeOf(error);
      if (code === undefined || isToReadAgain(error)) throw error;
      const { message } = error as CairnError;
      const [found] = code === 'source-changed' ? await lookupAll(source, [path]) : [];
      if (!versions.accept(entryIndex, found, expected)) leaveOut(pass, entryIndex, code, () => message);
      throw new CairnError(code, message, { cause: error, details: { isToReadAgain: true } });
    }
  }

  const read: SegmentReader = (segment) =>
    excluded.has(segment.entryIndex) ? zeros(segment.lengthBytes) : readWhole(segment);

  const readNow: ReadNow = ({ entryIndex, entryOffset, lengthBytes }, into) => {
    if (excluded.has(entryIndex) || assemblies?.has(entryIndex) === true) return false;
    const identity = versions.of(entryIndex);
    const path = pathOf(entryIndex);
    if (identity === undefined || changed.has(path)) return false;
    const { store, path: storePath } = source.locate(path);
    const range = { from: entryOffset, to: entryOffset + lengthBytes };
    return store.readNow?.(storePath, range, identity, into) === true;
  };

  return {
    read,
    readNow,
    checkIdentities: async (entries) => {
      const { touches } = versions;
      const wanted = [...entries.values()].filter((index) => !excluded.has(index));
      const lookUp = (batch: readonly number[]): Promise<FoundSource[]> =>
        lookupAll(source, batch.map(pathOf));
      for await (const [index, found] of lookUpInTurn(wanted, lookUp)) {
        const expected = versions.of(index);
        const code = changeOf(found, expected);
        if (code === undefined || (await wasReadEarly(source, pathOf(index)))) continue;
        if (versions.accept(index, found, expected)) continue;
        const how = code === 'source-missing' ? 'is no longer there' : 'changed since its bytes were sent';
        leaveOut(pass, index, code, (path) => `"${path}" ${how}`);
      }
      return versions.touches > touches;
    },
    get touches() {
      return versions.touches;
    },
    wasTouchedAfter: (entryIndex, touches) => versions.lastTouchOf(entryIndex) > touches,
  };
}

/**
 * Reads a range of a source; of one that has changed and was read early, as it was then. Where that shows when a part has been read
 * already it ends with {@link isToReadAgain}, and the next read gets the bytes that were kept.
 */
async function* readRange(
  source: LocalSource,
  { path, identity }: { readonly path: string; readonly identity: string | undefined },
  range: { readonly from: number; readonly to: number },
  changed: Set<string>,
): AsyncGenerator<Uint8Array> {
  if (!changed.has(path)) {
    const { store, path: storePath } = source.locate(path);
    let isBegun = false;
    try {
      for await (const piece of store.read(storePath, range, identity)) {
        isBegun = true;
        yield piece;
      }
      return;
    } catch (error) {
      if (sourceCodeOf(error) === undefined || !(await wasReadEarly(source, path))) throw error;
      changed.add(path);
      const { code, message } = error as CairnError;
      if (isBegun) throw new CairnError(code, message, { cause: error, details: { isToReadAgain: true } });
    }
  }
  yield source.readEarly(path)!.subarray(range.from, range.to);
}

/** Whether a source was read early, and is still there, only other than it was. */
async function wasReadEarly(source: LocalSource, path: string): Promise<boolean> {
  if (source.readEarly(path) === undefined) return false;
  const { store, path: storePath } = source.locate(path);
  try {
    const [found] = await store.lookup([storePath]);
    return found?.entry.type === 'file';
  } catch (error) {
    if (sourceCodeOf(error) === undefined) throw error;
    return false;
  }
}

/** Looks up each path, all at once where they are in one store. */
async function lookupAll(source: LocalSource, paths: readonly string[]): Promise<FoundSource[]> {
  const places = paths.map((path) => source.locate(path));
  const store = places[0]?.store;
  if (store !== undefined && places.every((place) => place.store === store)) {
    return lookUpSources(
      store,
      places.map(({ path }) => path),
    );
  }
  const found: FoundSource[] = [];
  for (const place of places) found.push(...(await lookUpSources(place.store, [place.path])));
  return found;
}
