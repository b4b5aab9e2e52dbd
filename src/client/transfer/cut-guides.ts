/** The guides of all files of a comparison: the answer of the server feeds them, and the cutting on this machine follows them. */
import { type CutGuide, createCutGuide } from '../../manifest/cut-guide.ts';
import { BLOCK_ID_BYTES } from '../../manifest/cut-ids.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';

/** The guides of files, by entry. The server answers for one entry after the other, by ascending number. */
export interface CutGuides {
  /** Takes records of the blocks of an entry; `from` is how many bytes of them came before in the same answer. */
  take(entry: number, from: number, records: Uint8Array): void;
  /** The answer is over, or failed. */
  end(): void;
  guideOf(entry: number): CutGuide;
  /** Forgets the guide of a file that is cut. */
  drop(entry: number): void;
}

/** Makes {@link CutGuides}; `sizeOf` gives the sizes of the files at the server in bytes, where they are known. */
export function createCutGuides(digest: DigestAlgorithm, sizeOf?: (entryIndex: number) => number): CutGuides {
  const guides = new Map<number, CutGuide>();
  /** Files that are cut: what comes of their other versions is of no use any more. */
  const dropped = new Set<number>();
  /** Of entries before this one nothing comes any more. */
  let first = 0;
  const guideOf = (entry: number): CutGuide => {
    const before = guides.get(entry);
    if (before !== undefined) return before;
    const guide = createCutGuide(BLOCK_ID_BYTES[digest], sizeOf?.(entry));
    if (entry < first) guide.end();
    guides.set(entry, guide);
    return guide;
  };
  const endBefore = (entry: number): void => {
    if (entry <= first) return;
    first = entry;
    for (const [index, guide] of guides) if (index < entry) guide.end();
  };
  return {
    take: (entry, from, records) => {
      endBefore(entry);
      if (!dropped.has(entry)) guideOf(entry).take(from, records);
    },
    end: () => endBefore(Infinity),
    guideOf,
    drop: (entry) => {
      dropped.add(entry);
      guides.delete(entry);
    },
  };
}
