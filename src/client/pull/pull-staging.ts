/**
 * What an unfinished pull keeps beside its destination: the manifest, the plan with what was left out, and the chunks.
 * It is found again even by a client that has lost its own state.
 */
import { resolve } from 'node:path';
import * as v from 'valibot';
import { makeDirectory } from '../../base/durable-files.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { ModeWishes } from '../../manifest/modes.ts';
import { encodeParts } from '../../manifest/parts-document.ts';
import { Plan } from '../../wire/messages.ts';
import { encodeTree } from '../../wire/tree-stream.ts';
import type { ContentStore, StagingArea } from '../../storage/content-store.ts';
import { openLocalDisk } from '../../storage/disk/local-disk.ts';
import type { TransferOptions } from '../api/options.ts';
import type { PartsPlan } from '../session/plan-layout.ts';
import { loadManifest, loadParts } from '../state/kept-documents.ts';
import type { Landing } from './pull-landing.ts';

const runs = v.array(v.pipe(v.number(), v.safeInteger()));
const StoredPlan = v.object({
  ...Plan.entries,
  excluded: runs,
  unselected: v.optional(v.object({ entries: runs, count: v.pipe(v.number(), v.safeInteger()) })),
});

/**
 * A plan with what this side does not want, and runs of the entries that the server could not read: zeros are staged in
 * their place.
 */
type StoredPlan = v.InferOutput<typeof StoredPlan>;

/** The destination of a pull, open. Close it. */
export interface PullDestination {
  readonly store: ContentStore;
  readonly landing: Landing;
  readonly stagingId: string;
  /** Which modes what lands there gets. */
  readonly modes: ModeWishes;
  /** Whether the store was opened with a directory for what is replaced or deleted. */
  readonly hasBackup: boolean;
}

/** Such a plan with the document that its `parts` name, which is kept beside it. */
export type StagedPlan = StoredPlan & Pick<PartsPlan, 'assemblies'>;

/** What was found in a staging area. */
export interface StagedPull {
  readonly manifest: Manifest;
  readonly plan: StagedPlan;
}

/**
 * Opens the destination; its directory must exist. Nothing is written yet, nor ever into the state home, where one is
 * named.
 *
 * @throws CairnError, storage codes
 */
export async function openDestination(
  landing: Landing,
  { stagingId, stateHome }: { readonly stagingId: string; readonly stateHome?: string },
  {
    preserveModes: preserve,
    chmod,
    backupDirectory,
  }: Pick<TransferOptions, 'preserveModes' | 'chmod' | 'backupDirectory'> = {},
): Promise<PullDestination> {
  const keepsTarget = landing.isNew !== true && preserve !== true;
  const modes: ModeWishes = { preserve, change: chmod?.change, keepsTarget };
  const keepOut = stateHome === undefined ? [] : [stateHome];
  const backupRoot = backupDirectory === undefined ? undefined : resolve(backupDirectory);
  if (backupRoot !== undefined) await makeDirectory(backupRoot);
  const store = await openLocalDisk(landing.root, { keepOut, backupRoot });
  return { store, landing, stagingId, modes, hasBackup: backupRoot !== undefined };
}

/** Keeps the manifest and the plan, durably, before the first chunk comes. */
export async function saveStaged(area: StagingArea, manifest: Manifest, plan: StagedPlan): Promise<void> {
  await area.save('manifest', encodeTree(manifest));
  if (plan.assemblies !== undefined) await area.save('parts', encodeParts(plan.assemblies));
  await saveStagedPlan(area, plan);
}

/** Keeps the plan alone, when more was left out. */
export function saveStagedPlan(area: StagingArea, { assemblies: _kept, ...plan }: StagedPlan): Promise<void> {
  return area.save('plan', [JSON.stringify(plan)]);
}

/** What an earlier run kept; undefined where that is nothing, or damaged. @throws CairnError, storage codes */
export async function loadStaged({ store, stagingId }: PullDestination): Promise<StagedPull | undefined> {
  const ids = await store.listStaging();
  if (!ids.includes(stagingId)) return undefined;
  const area = await store.openStaging(stagingId);
  const tree = await area.load('manifest');
  const text = await area.load('plan');
  if (tree === undefined || text === undefined) return undefined;
  const manifest = await loadManifest(tree);
  const plan = await parsePlan(text);
  if (manifest === undefined || plan === undefined) return undefined;
  if (plan.parts === undefined) return { manifest, plan };
  const lines = await area.load('parts');
  const assemblies = lines === undefined ? undefined : await loadParts(lines, manifest, plan.parts);
  return assemblies === undefined ? undefined : { manifest, plan: { ...plan, assemblies } };
}

/** Removes the staging area of a run that had one, also the empty folders where it was killed while it did so itself. */
export async function freeStaging({ store, stagingId }: PullDestination): Promise<void> {
  await (await store.openStaging(stagingId)).discard();
}

/** Removes what an earlier run kept, if it kept something. */
export async function discardStaged(destination: PullDestination): Promise<void> {
  const ids = await destination.store.listStaging();
  if (ids.includes(destination.stagingId)) await freeStaging(destination);
}

async function parsePlan(source: AsyncIterable<Uint8Array>): Promise<StoredPlan | undefined> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(Buffer.from(piece));
  try {
    const result = v.safeParse(StoredPlan, JSON.parse(Buffer.concat(pieces).toString()));
    return result.success ? result.output : undefined;
  } catch {
    return undefined; // damaged: the pull starts over
  }
}
