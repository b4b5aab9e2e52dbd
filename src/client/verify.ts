/** `cairn verify LOCAL URL`: both sides are read again and compared, and nothing is moved. */
import { printable } from '../base/safe-path.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import type { EntryList } from '../manifest/entry-table.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { digestsOf, type LocalFile } from './transfer/comparing.ts';
import { DEFAULT_CHUNK_SIZE_BYTES, type TransferOptions } from './api/options.ts';
import { establishPull } from './pull/pull-establish.ts';
import { getDigests } from './session/session-calls.ts';
import type { SessionClient } from './session/session-client.ts';
import type { Notice } from '../wire/tree-stream.ts';
import { selectEntries, selectNotices } from './transfer/remote-selection.ts';
import { openSource, type LocalSource, type ScannedSource } from './push/source.ts';
import { inContext, type TransferContext } from './transfer/transfer-context.ts';
import { compareTrees, type Differing, type Pair } from './transfer/tree-comparison.ts';

/** The result of a comparison. */
export interface Verification {
  /** Entries that agree in everything. */
  readonly equal: number;
  /** What does not, in canonical order; an entry may stand here for its mode and for its mtime. */
  readonly differing: readonly Differing[];
  /** Bytes of the files whose contents were compared. */
  readonly bytes: number;
  /** How many entries the selection left out on either side, a directory counted once. */
  readonly unselected: number;
}

/**
 * Compares a local file or tree with the one at the URL: types, link targets, sizes, contents, modes and times.
 *
 * @throws CairnError `source-missing`, `not-found`, network and session codes, the signal's reason
 */
export async function verify(localPath: string, options: TransferOptions): Promise<Verification> {
  const source = await openSource([localPath], options);
  try {
    return await inContext(options, (context) => verifyAgainst(source, context, options));
  } finally {
    await source.close();
  }
}

async function verifyAgainst(
  source: LocalSource,
  context: TransferContext,
  options: TransferOptions,
): Promise<Verification> {
  context.report({ type: 'phase', phase: 'scanning' });
  const leftOut = createLeftOut();
  const scanned = await source.scan(context.signal, { onUnselected: leftOut.addTop });
  if (scanned.entries.length === 0) return { equal: 0, differing: [], bytes: 0, unselected: leftOut.count };
  const chunkSizeBytes = options.chunkSizeBytes ?? DEFAULT_CHUNK_SIZE_BYTES;
  const { session, manifest, notices } = await establishPull(context, {
    chunkSizeBytes,
    digest: options.digest,
  });
  try {
    context.report({ type: 'phase', phase: 'comparing', entries: manifest.entries.length });
    const name = context.server.target.split('/').at(-1) ?? '';
    const theirs = selectEntries(manifest.entries, scanned.selector, { name, onUnselected: leftOut.addTop });
    for (const index of theirs.unselected.values()) leftOut.paths.add(manifest.entries.pathOf(index));
    const compared = compareTrees(scanned.entries, manifest.entries);
    const pairs = compared.pairs.filter(({ ours }) => !leftOut.paths.has(scanned.entries.pathOf(ours)));
    const differing = compared.differing.filter(({ path }) => !leftOut.paths.has(path));
    const unread = unreadOf(scanned.notices, selectNotices(notices, scanned.selector), theirs.missing);
    const contents = await compareContents({ context, session, manifest, source, scanned }, pairs);
    const all = [...differing, ...contents.differing, ...unread];
    const paths = new Set([...all.map(({ path }) => path), ...leftOut.paths]);
    return {
      equal: countOthers(scanned.entries, paths),
      differing: all,
      bytes: contents.bytes,
      unselected: leftOut.count,
    };
  } finally {
    await session.abandon();
  }
}

/** What the selection leaves out on one side is compared on neither. */
interface LeftOut {
  readonly paths: Set<string>;
  /** Takes an entry that is left out, with all that is below it. */
  addTop(path: string): void;
  readonly count: number;
}

function createLeftOut(): LeftOut {
  const tops = new Set<string>();
  const paths = new Set<string>();
  return {
    paths,
    addTop: (path) => {
      tops.add(path);
      paths.add(path);
    },
    get count() {
      return tops.size;
    },
  };
}

/** What could not be compared; a listed path that one side has is missing on the other, which the comparison tells. */
function unreadOf(
  ours: readonly Notice[],
  theirs: readonly Notice[],
  notThere: readonly Notice[],
): Differing[] {
  const isNotHere = new Set(ours.filter(({ code }) => code === 'source-missing').map(({ path }) => path));
  return [
    ...[...ours.filter(({ code }) => code !== 'source-missing'), ...theirs].map(({ code, path }) => ({
      path: printable(path),
      why: code === 'time-out-of-range' ? ('mtime' as const) : ('unreadable' as const),
    })),
    ...notThere
      .filter(({ path }) => isNotHere.has(path))
      .map(({ path }) => ({ path, why: 'missing-both' as const })),
  ];
}

function countOthers(entries: EntryList, paths: ReadonlySet<string>): number {
  let count = 0;
  for (let index = 0; index < entries.length; index += 1) if (!paths.has(entries.pathOf(index))) count += 1;
  return count;
}

interface Sides {
  readonly context: TransferContext;
  readonly session: SessionClient;
  /** That of the server. */
  readonly manifest: Manifest;
  readonly source: LocalSource;
  readonly scanned: ScannedSource;
}

/** Hashes the files of which both sides have one of the same size. */
async function compareContents(
  { context, session, manifest, source, scanned }: Sides,
  pairs: readonly Pair[],
): Promise<{ differing: Differing[]; bytes: number }> {
  const wanted = new ChunkSet();
  const localIndex = new Map<number, number>();
  let bytes = 0;
  for (const { ours, theirs } of pairs) {
    wanted.add(theirs);
    localIndex.set(theirs, ours);
    bytes += manifest.entries.sizeOf(theirs);
  }
  if (wanted.size === 0) return { differing: [], bytes };
  context.report({
    type: 'planned',
    entries: manifest.entries.length,
    carried: wanted.size,
    bytesTotal: bytes,
    bytesSkipped: 0,
    bytesResumed: 0,
  });
  const locate = (index: number): LocalFile => ({
    ...source.locate(manifest.entries.pathOf(index)),
    identity: scanned.identities.at(localIndex.get(index)!),
  });
  const [ours, theirs] = await session.keepingLease(() =>
    Promise.all([
      digestsOf(manifest, wanted, locate, context.signal),
      session.run((at) => getDigests(at, wanted.runs())),
    ]),
  );
  const differing: Differing[] = [];
  for (const index of wanted.values()) {
    const [own, other] = [ours.get(index) ?? null, theirs.get(index) ?? null];
    if (own !== null && own === other) continue;
    differing.push({
      path: manifest.entries.pathOf(index),
      why: own === null || other === null ? 'unreadable' : 'content',
    });
  }
  return { differing, bytes };
}
