/**
 * Finds the parts of changed files that have to be carried: it compares the blocks of each with those of the older version
 * at the receiver, and of blocks that one side alone has the grains. Two requests do for all files, whichever side has the
 * newer versions.
 */
import { CairnError, EXIT } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Assembly } from '../../manifest/assembly.ts';
import { KEPT_FROM_BYTES } from '../../storage/state/kept-cuts.ts';
import type { Cuts } from '../../manifest/kept-cuts-format.ts';
import type { CutList } from '../../manifest/cut-list.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import {
  copiedBytesOf,
  MAX_RANGES,
  mayHaveParts,
  partsId,
  PARTS_FILE_BYTES,
  type Parts,
} from '../../manifest/parts-document.ts';
import type { Comparison, Plan } from '../../wire/messages.ts';
import type { BlockLine } from '../../wire/block-lines.ts';
import type { TransferOptions } from '../api/options.ts';
import { getParts, putBlocks, putParts } from '../session/cut-calls.ts';
import type { PartsPlan } from '../session/plan-layout.ts';
import type { SessionClient } from '../session/session-client.ts';
import { assemblyOf, compareBlocks, MAX_GRAINS, type ComparedBlocks } from './compare-versions.ts';
import type { VersionCuts } from './version-cuts.ts';
import type { TransferContext } from './transfer-context.ts';

/** Files with less in common are carried whole, in bytes. */
const LEAST_COPIED_BYTES = 256 * 1024;

/** A plan with its parts, and the blocks of the new versions of large files. */
export type FoundParts = PartsPlan & { readonly cuts?: ReadonlyMap<number, Cuts> };

/** The two versions of the files of a transfer. */
export interface Versions {
  readonly newer: VersionCuts;
  readonly older: VersionCuts;
}

/** What a comparison works with. */
export interface PartsOptions {
  readonly context: Pick<TransferContext, 'retrier' | 'report'>;
  readonly session: SessionClient;
  readonly manifest: Manifest;
  /** Its `older` names the files of which the receiver has another version. */
  readonly comparison: Comparison;
  /** Opens the two sides; not called where there is nothing to compare. */
  readonly openVersions: () => Promise<Versions>;
}

/** Whether changed files may be carried in parts. */
export function mayUseParts(
  { dryRun, wholeFiles }: Pick<TransferOptions, 'dryRun' | 'wholeFiles'>,
  { terms }: Pick<SessionClient, 'terms'>,
): boolean {
  return terms.takesParts === true && dryRun !== true && wholeFiles !== true;
}

/** Adds to a plan the parts of changed files, and tells the server; the plan as it is where nothing is in common. */
export async function withParts(options: PartsOptions, plan: Plan): Promise<FoundParts> {
  const { session, context } = options;
  const entries = olderFiles(options, plan);
  if (entries.size === 0) return plan;
  const { assemblies, cuts } = await session.keepingLease(async () =>
    findParts(await options.openVersions(), entries),
  );
  context.retrier.progressed();
  if (assemblies.size === 0) return plan;
  try {
    await session.run((at) => putParts(at, assemblies));
  } catch (error) {
    // What has no room for a document may still have room for the files, and a pull needs none.
    if (!(error instanceof CairnError) || error.traits.exitCode !== EXIT.storage) throw error;
    const message = `the server has no room to keep the parts of changed files (${error.message}); they are carried whole`;
    context.report({ type: 'notice', message });
    return plan;
  }
  return { ...plan, parts: partsId(assemblies), assemblies, cuts };
}

/** Tells a server that keeps them the blocks of what it will have: the next transfer need not read that. */
export async function tellBlocks(session: SessionClient, { cuts }: FoundParts): Promise<void> {
  if (cuts === undefined || cuts.size === 0 || session.terms.keepsBlocks !== true) return;
  await session.run((at) => putBlocks(at, cuts));
}

/** A plan of the server, with its parts. @throws CairnError `digest-mismatch` where the server has other ones */
export async function withPartsOfServer(
  session: SessionClient,
  manifest: Manifest,
  plan: Plan,
): Promise<PartsPlan> {
  if (plan.parts === undefined) return plan;
  const assemblies = await session.run((at) => getParts(at, manifest));
  if (partsId(assemblies) === plan.parts) return { ...plan, assemblies };
  throw new CairnError('digest-mismatch', 'the server has other parts than those of the plan');
}

/** The files to compare: those with an older version, as far as all together fit into memory. */
function olderFiles({ manifest: { entries }, comparison }: PartsOptions, plan: Plan): ChunkSet {
  const older = ChunkSet.fromRuns(comparison.older ?? [], entries.length);
  const have = ChunkSet.fromRuns(plan.have, entries.length);
  const wanted = new ChunkSet();
  let leftBytes: number = PARTS_FILE_BYTES.max;
  for (const index of older.values()) {
    const sizeBytes = entries.sizeOf(index);
    const isLarge = entries.typeOf(index) === 'file' && mayHaveParts(sizeBytes);
    if (!isLarge || have.has(index) || sizeBytes > leftBytes) continue;
    leftBytes -= sizeBytes;
    wanted.add(index);
  }
  return wanted;
}

async function findParts(
  { newer, older }: Versions,
  entries: ChunkSet,
): Promise<{ readonly assemblies: Parts; readonly cuts: ReadonlyMap<number, Cuts> }> {
  // Each side cuts its files while the other does.
  const [news, olds] = await Promise.all([newer.blocksOf(entries), older.blocksOf(entries)]);
  const budget = { grains: MAX_GRAINS };
  const compared = new Map<number, ComparedBlocks>();
  for (const entry of entries.values()) {
    const [own, old] = [news.get(entry), olds.get(entry)];
    if (own?.checks === undefined || old === undefined) continue;
    compared.set(entry, compareBlocks({ ...own, checks: own.checks }, old.recipe, budget));
  }
  const [newGrains, oldGrains] = await Promise.all([
    newer.grainsOf(linesOf(compared, 'newer')),
    older.grainsOf(linesOf(compared, 'older')),
  ]);
  const assemblies = new Map<number, Assembly>();
  const cuts = new Map<number, Cuts>();
  let rangesLeft = MAX_RANGES;
  for (const [entry, blocks] of compared) {
    const assembly = partsOf(blocks, newGrains.get(entry), oldGrains.get(entry));
    const ranges = assembly === undefined ? 0 : assembly.carried.length / 2 + assembly.copied.length / 3;
    if (assembly === undefined || ranges > rangesLeft || copiedBytesOf(assembly) < LEAST_COPIED_BYTES)
      continue;
    rangesLeft -= ranges;
    assemblies.set(entry, assembly);
    if (blocks.recipe.sizeBytes >= KEPT_FROM_BYTES) cuts.set(entry, blocks);
  }
  return { assemblies, cuts };
}

function linesOf(compared: ReadonlyMap<number, ComparedBlocks>, side: 'newer' | 'older'): BlockLine[] {
  return [...compared].flatMap(([entry, { refined }]) =>
    refined[side].length === 0 ? [] : [{ entry, blocks: refined[side] }],
  );
}

/** The parts of one file; undefined where it has changed since its blocks were cut. */
function partsOf(
  blocks: ComparedBlocks,
  newer: CutList | undefined,
  older: CutList | undefined,
): Assembly | undefined {
  if (blocks.refined.numbers.length === 0) return assemblyOf(blocks);
  if (newer === undefined) return undefined;
  return assemblyOf(blocks, older && { newer, older });
}
