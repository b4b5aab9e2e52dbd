/**
 * Which entries are not carried because they are there already: by size and time, or by digest where the user wants to be
 * sure.
 */
import { CairnError } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { fileDigester, loadHasher } from '../../manifest/digest.ts';
import type { Identity } from '../../manifest/entry.ts';
import { FileDigests, type ReadonlyFileDigests } from '../../manifest/file-digest-table.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Comparison, Plan } from '../../wire/messages.ts';
import type { ReadableStore } from '../../storage/content-store.ts';
import { getDigests } from '../session/session-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { Report } from '../api/events.ts';
import type { TransferContext } from './transfer-context.ts';
import { DEFAULT_PARALLEL } from '../api/options.ts';
import { fixedCount, runWorkers } from '../../base/workers.ts';

/** Where the local bytes of an entry are, and the identity that they are bound to, where that is known. */
export interface LocalFile {
  readonly store: Pick<ReadableStore, 'read'>;
  readonly path: string;
  readonly identity?: Identity | undefined;
}

/** How a plan is made. */
export interface PlanOptions {
  readonly context: Pick<TransferContext, 'report' | 'retrier' | 'signal'>;
  readonly session: SessionClient;
  readonly manifest: Manifest;
  readonly comparison: Comparison;
  /** Whether files of the same size are compared by their digests. */
  readonly checksum: boolean;
  /** Where an entry's local bytes are: the source of a push, the target of a pull. */
  readonly locate: (entryIndex: number) => LocalFile;
  /** Entries that are carried whatever their size and time say. */
  readonly distrusted?: ReadonlySet<string> | undefined;
}

/** The plan for a comparison. @throws CairnError network and session codes, `invalid-request` */
export async function makePlan(options: PlanOptions): Promise<Plan> {
  const { manifest, comparison, distrusted } = options;
  const limit = manifest.entries.length;
  const have = ChunkSet.fromRuns(comparison.have, limit);
  const attributes = ChunkSet.fromRuns(comparison.attributes, limit);
  if (options.checksum) await compareDigests(options, have, attributes);
  if (distrusted !== undefined && distrusted.size > 0) {
    const { entries } = manifest;
    for (const index of have.copy().values()) {
      if (entries.typeOf(index) === 'file' && distrusted.has(entries.pathOf(index))) have.delete(index);
    }
  }
  for (const index of attributes.copy().values()) if (!have.has(index)) attributes.delete(index);
  return { have: have.runs(), attributes: attributes.runs() };
}

/** Moves files in and out of `have` by what their digests say. */
async function compareDigests(options: PlanOptions, have: ChunkSet, attributes: ChunkSet): Promise<void> {
  const { context, session, manifest, comparison } = options;
  const candidates = ChunkSet.fromRuns(comparison.candidates, manifest.entries.length);
  const files = new ChunkSet();
  for (const set of [have, candidates]) {
    for (const index of set.values()) if (manifest.entries.typeOf(index) === 'file') files.add(index);
  }
  if (files.size === 0) return;
  const [ours, theirs] = await session.keepingLease(() =>
    Promise.all([
      digestsOf(manifest, files, options.locate, context.signal),
      session.run(async (at) => {
        const digests = await getDigests(at, files.runs()).catch((error: unknown) =>
          unknown(context.report, error),
        );
        context.retrier.progressed();
        return digests;
      }),
    ]),
  );
  for (const index of files.values()) {
    const own = ours.get(index);
    const isSame = typeof own === 'string' && own === theirs.get(index);
    // The same bytes at another time: only the time is set.
    if (isSame && candidates.has(index)) attributes.add(index);
    if (isSame) have.add(index);
    else have.delete(index);
  }
}

/** What a token that may not read is not told is sent. */
function unknown(report: Report, error: unknown): ReadonlyFileDigests {
  if (!(error instanceof CairnError) || error.code !== 'forbidden') throw error;
  const message =
    'the access token may not read, so contents cannot be compared: files that are there are sent again';
  report({ type: 'notice', message });
  return new FileDigests();
}

/** The file digests of local files, by entry; null where a file cannot be read. */
export async function digestsOf(
  manifest: Manifest,
  entries: ChunkSet,
  locate: (entryIndex: number) => LocalFile,
  signal: AbortSignal,
): Promise<ReadonlyFileDigests> {
  const createHasher = await loadHasher(manifest.digest);
  const digests = new FileDigests();
  const queue = entries.values();
  const next = (): number | undefined => queue.next().value as number | undefined;
  await runWorkers(fixedCount(DEFAULT_PARALLEL), signal, next, async (index, ending) => {
    const { store, path, identity } = locate(index);
    const digester = fileDigester(createHasher, manifest.chunkSizeBytes);
    const sizeBytes = manifest.entries.sizeOf(index);
    try {
      for await (const piece of store.read(path, { from: 0, to: sizeBytes }, identity)) {
        ending.throwIfAborted();
        digester.update(piece);
      }
      digests.set(index, digester.digest());
    } catch (error) {
      if (!(error instanceof CairnError) || ending.aborted) throw error;
      digests.set(index, null); // carried, and then named if it still cannot be read
    }
  });
  return digests;
}
