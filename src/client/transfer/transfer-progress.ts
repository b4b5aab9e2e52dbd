/** Counts payload bytes and tells of them: all together, and for each file of at least one chunk. */
import { printable } from '../../base/safe-path.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Counters, TransferContext } from './transfer-context.ts';

const MIN_FILE_INTERVAL_MS = 100;

/** The progress of one pass. */
export interface TransferProgress {
  /** Payload bytes of a chunk crossed the wire. */
  moved(chunk: number, bytes: number): void;
  /** Bytes of a chunk that were counted as moved will be moved again; they crossed the wire unless `crossed` is false. */
  lost(chunk: number, bytes: number, how?: { readonly crossed: boolean }): void;
  /** So many of the bytes that were counted as moved did not have to cross the wire. */
  saved(bytes: number): void;
  /** Bytes of a chunk that an earlier run had brought over. */
  resumed(chunk: number, bytes: number): void;
  /** Bytes that were counted as resumed turned out not to be. */
  notResumed(chunk: number, bytes: number): void;
  /** Bytes that earlier runs had brought over. */
  readonly bytesResumed: number;
}

interface FileProgress {
  doneBytes: number;
  resumedBytes: number;
  toldAtMs: number;
}

/**
 * Makes the progress of one pass; only what was resumed is counted for it alone.
 *
 * @param name what to call a file that is the whole transfer, and has no path in the manifest
 */
export function createProgress(
  context: Pick<TransferContext, 'report' | 'now' | 'counters'>,
  { manifest, layout, name }: { manifest: Manifest; layout: Layout; name: string },
): TransferProgress {
  const { report, now } = context;
  const counters: Counters = context.counters;
  const files = new Map<number, FileProgress>();
  let bytesResumed = 0;

  const change = (chunk: number, doneBytes: number, resumedBytes: number): void => {
    const [segment] = layout.segmentsOf(chunk);
    const entry = segment === undefined ? undefined : manifest.entries.at(segment.entryIndex);
    if (segment === undefined || entry === undefined || entry.sizeBytes < manifest.chunkSizeBytes) return;
    const file = files.get(segment.entryIndex) ?? { doneBytes: 0, resumedBytes: 0, toldAtMs: -Infinity };
    files.set(segment.entryIndex, file);
    file.doneBytes = Math.max(0, file.doneBytes + doneBytes);
    file.resumedBytes += resumedBytes;
    const isDone = file.doneBytes >= entry.sizeBytes;
    if (!isDone && now() - file.toldAtMs < MIN_FILE_INTERVAL_MS) return;
    file.toldAtMs = now();
    const { sizeBytes } = entry;
    report({
      type: 'file',
      path: printable(entry.path === '' ? name : entry.path),
      doneBytes: Math.min(file.doneBytes, sizeBytes),
      sizeBytes,
      resumedBytes: file.resumedBytes,
    });
  };

  return {
    moved: (chunk, bytes) => {
      if (bytes === 0) return;
      counters.bytesMoved += bytes;
      report({ type: 'bytes', bytes });
      change(chunk, bytes, 0);
    },
    lost: (chunk, bytes, { crossed } = { crossed: true }) => {
      if (bytes === 0) return;
      if (!crossed) counters.bytesMoved -= bytes;
      report({ type: 'lost', bytes });
      change(chunk, -bytes, 0);
    },
    saved: (bytes) => {
      counters.bytesSaved += bytes;
    },
    resumed: (chunk, bytes) => {
      bytesResumed += bytes;
      change(chunk, bytes, bytes);
    },
    notResumed: (chunk, bytes) => {
      bytesResumed -= bytes;
      report({ type: 'lost', bytes });
      change(chunk, -bytes, -bytes);
    },
    get bytesResumed() {
      return bytesResumed;
    },
  };
}
