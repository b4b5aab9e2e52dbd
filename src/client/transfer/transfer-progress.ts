/** Counts payload bytes and tells of them: all together, and for each file of at least one chunk. */
import { createConfirming } from './confirming.ts';
import { printable } from '../../base/safe-path.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { isStream, type Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Plan } from '../../wire/messages.ts';
import type { Counters, TransferContext } from './transfer-context.ts';

const MIN_FILE_INTERVAL_MS = 100;

/** The progress of one pass. */
export interface TransferProgress {
  /** Payload bytes of a chunk crossed the wire, or were sent, where the progress has to find out when they cross. */
  moved(chunk: number, bytes: number): void;
  /** All of a chunk that was sent has arrived. */
  answered(chunk: number): void;
  /** A request that carried a chunk broke. */
  broken(chunk: number): void;
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

/** What bytes are told of. */
interface Subject {
  readonly manifest: Manifest;
  readonly layout: Layout;
  /** What to call a file that is the whole transfer, and has no path in the manifest. */
  readonly name: string;
}

/** Tells of the files that bytes of chunks belong to: `change(chunk, bytes, ofWhichResumed)`. */
function createFileChanges(
  { report, now, namesEntries }: Pick<TransferContext, 'report' | 'now' | 'namesEntries'>,
  { manifest, layout, name }: Subject,
): (chunk: number, doneBytes: number, resumedBytes: number) => void {
  const files = new Map<number, FileProgress>();
  /** Bytes of the chunks of small files that are under way. */
  const packed = new Map<number, number>();
  const hasNoSize = isStream(manifest);
  const shown = (path: string): string => printable(path === '' ? name : path);

  const changeFile = (entryIndex: number, doneBytes: number, resumedBytes: number): void => {
    const file = files.get(entryIndex) ?? { doneBytes: 0, resumedBytes: 0, toldAtMs: -Infinity };
    files.set(entryIndex, file);
    const sizeBytes = layout.carriedBytesOf(entryIndex);
    const wasDone = file.doneBytes >= sizeBytes;
    file.doneBytes = Math.max(0, file.doneBytes + doneBytes);
    file.resumedBytes += resumedBytes;
    const isDone = file.doneBytes >= sizeBytes;
    if (!isDone && now() - file.toldAtMs < MIN_FILE_INTERVAL_MS) return;
    file.toldAtMs = now();
    const path = shown(manifest.entries.pathOf(entryIndex));
    report({
      type: 'file',
      path,
      doneBytes: Math.min(file.doneBytes, sizeBytes),
      sizeBytes,
      resumedBytes: file.resumedBytes,
    });
    if (isDone === wasDone) return;
    report({ type: 'moved', entries: isDone ? 1 : -1 });
    if (isDone && namesEntries && resumedBytes === 0) report({ type: 'entry', path, sizeBytes });
  };

  const changePacked = (chunk: number, bytes: number, isResumed: boolean): void => {
    const done = (packed.get(chunk) ?? 0) + bytes;
    packed.set(chunk, done);
    if (done < layout.chunkLengthBytes(chunk)) return;
    // A byte that is lost later, and comes again, is not counted twice.
    packed.set(chunk, 0);
    let entries = 0;
    for (const { entryIndex, lengthBytes } of layout.segmentsOf(chunk)) {
      entries += 1;
      if (namesEntries && !isResumed)
        report({ type: 'entry', path: shown(manifest.entries.pathOf(entryIndex)), sizeBytes: lengthBytes });
    }
    report({ type: 'moved', entries });
  };

  return (chunk, doneBytes, resumedBytes) => {
    const [segment] = layout.segmentsOf(chunk);
    if (segment === undefined || hasNoSize) return;
    if (layout.isLarge(segment.entryIndex)) changeFile(segment.entryIndex, doneBytes, resumedBytes);
    else changePacked(chunk, doneBytes, resumedBytes > 0);
  };
}

/**
 * Makes the progress of one pass; only what was resumed is counted for it alone.
 *
 * @param unconfirmed of a push: how many bytes are on their way; see {@link createConfirming}
 */
export function createProgress(
  context: Pick<TransferContext, 'report' | 'now' | 'counters' | 'namesEntries' | 'signal'>,
  subject: Subject,
  unconfirmed?: () => Promise<number | undefined>,
): TransferProgress {
  const { report } = context;
  const counters: Counters = context.counters;
  const change = createFileChanges(context, subject);
  let bytesResumed = 0;
  const crossed = (chunk: number, bytes: number): void => {
    report({ type: 'bytes', bytes });
    change(chunk, bytes, 0);
  };
  const confirming =
    unconfirmed === undefined ? undefined : createConfirming(crossed, unconfirmed, context.signal);

  return {
    moved: (chunk, bytes) => {
      if (bytes === 0) return;
      counters.bytesMoved += bytes;
      if (confirming === undefined) crossed(chunk, bytes);
      else confirming.sent(chunk, bytes);
    },
    answered: (chunk) => confirming?.answered(chunk),
    broken: (chunk) => confirming?.broken(chunk),
    lost: (chunk, bytes, how = { crossed: true }) => {
      if (bytes === 0) return;
      if (!how.crossed) counters.bytesMoved -= bytes;
      const told = confirming?.lost(chunk, bytes) ?? bytes;
      if (told === 0) return;
      report({ type: 'lost', bytes: told });
      change(chunk, -told, 0);
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

/** Names the entries that were brought and carry no bytes: directories, links, empty files. */
export function nameOthers(
  { report, namesEntries }: Pick<TransferContext, 'report' | 'namesEntries'>,
  { entries }: Manifest,
  plan: Pick<Plan, 'have'>,
  isExcluded: (entryIndex: number) => boolean,
): void {
  if (!namesEntries) return;
  const have = ChunkSet.fromRuns(plan.have, entries.length);
  for (let index = 0; index < entries.length; index += 1) {
    if (entries.sizeOf(index) > 0 || have.has(index) || isExcluded(index)) continue;
    report({ type: 'entry', path: printable(entries.pathOf(index) || '.'), sizeBytes: 0 });
  }
}
