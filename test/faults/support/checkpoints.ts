/** Reads checkpoints from the disk as they lie there, changing nothing, and compares their claims with the bytes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { openDirectory } from '../../../src/base/directory.ts';
import { ChunkDigests } from '../../../src/checkpoint/chunk-digests.ts';
import {
  applyRecord,
  decodeBinding,
  type CheckpointState,
} from '../../../src/checkpoint/checkpoint-records.ts';
import { readJournal } from '../../../src/checkpoint/journal-format.ts';
import { loadHasher, sameDigest } from '../../../src/manifest/digest.ts';
import type { Manifest } from '../../../src/manifest/manifest.ts';
import type { Plan } from '../../../src/wire/messages.ts';
import { readTree } from '../../../src/wire/tree-stream.ts';
import { planSetsOf } from '../../../src/server/core/sessions/plan-text.ts';
import { createPlan } from '../../../src/server/core/sessions/transfer-plan.ts';
import { readStaged } from '../../../src/storage/disk/staging/read-staged.ts';
import { chunkPlace } from '../../../src/storage/disk/staging/staged-names.ts';
import type { IncomingTransfer } from '../../../src/storage/content-store.ts';

/** What a journal says, and of which manifest. */
export interface JournalState extends CheckpointState {
  readonly manifestId: string;
}

/** What a journal says; undefined where there is none with a binding. */
export function journalState(file: string): JournalState | undefined {
  if (!existsSync(file)) return undefined;
  const [binding, ...rest] = readJournal(readFileSync(file)).records;
  if (binding === undefined) return undefined;
  const { manifestId, digestLengthBytes } = decodeBinding(binding);
  const state: JournalState = {
    manifestId,
    digests: new ChunkDigests(digestLengthBytes),
    epoch: 0,
    note: {},
    partialChunks: new Map(),
  };
  for (const record of rest) applyRecord(state, record);
  return state;
}

/** The journals of all transfers that a client has not finished. */
export function clientCheckpoints(stateHome: string): JournalState[] {
  const transfers = path.join(stateHome, 'transfers');
  if (!existsSync(transfers)) return [];
  return readdirSync(transfers)
    .map((key) => journalState(path.join(transfers, key, 'journal')))
    .filter((state) => state !== undefined);
}

/** A staging area with a plan: that of a push below the server's root, that of a pull below the destination's. */
export interface StagedCheckpoint {
  readonly folder: string;
  /** Where the tree lands. */
  readonly target: string;
  readonly transfer: IncomingTransfer;
  readonly state: CheckpointState;
}

/** The staging areas below `root` that have a manifest, a plan and a journal. */
export async function stagedCheckpoints(root: string): Promise<StagedCheckpoint[]> {
  const staging = path.join(root, '.cairn/staging');
  if (!existsSync(staging)) return [];
  const found = await Promise.all(readdirSync(staging).map((id) => stagedCheckpoint(root, id)));
  return found.filter((checkpoint) => checkpoint !== undefined);
}

async function stagedCheckpoint(root: string, id: string): Promise<StagedCheckpoint | undefined> {
  const folder = path.join(root, '.cairn/staging', id);
  const state = journalState(path.join(folder, 'journal'));
  const [manifestFile, planFile] = [path.join(folder, 'manifest'), path.join(folder, 'plan')];
  if (state === undefined || !existsSync(manifestFile) || !existsSync(planFile)) return undefined;
  const manifest: Manifest = (await readTree(once(readFileSync(manifestFile)))).manifest;
  const plan = JSON.parse(readFileSync(planFile, 'utf8')) as Plan;
  const { layout } = createPlan(manifest, planSetsOf(plan, manifest.entries.length));
  const target = path.join(root, targetOf(path.join(root, '.cairn/sessions', `${id}.json`)));
  return { folder, target, transfer: { manifest, layout, target: '' }, state };
}

/** The target of a server's session; a pull has no such record, and lands in its root. */
function targetOf(record: string): string {
  if (!existsSync(record)) return '';
  return (JSON.parse(readFileSync(record, 'utf8')) as { target: string }).target;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/**
 * Chunks of a checkpoint whose bytes are not those of the recorded digest: staged, or at the final path where publishing
 * was cut in the middle.
 */
export async function wrongChunks({ folder, target, transfer, state }: StagedCheckpoint): Promise<number[]> {
  const createHasher = await loadHasher(transfer.manifest.digest);
  const wrong: number[] = [];
  for (const chunk of state.digests.chunks.copy().values()) {
    const hasher = createHasher();
    const place = { ...chunkPlace(transfer, chunk), mayBeShorter: true };
    try {
      const published = publishedOf(transfer, chunk, target);
      const isStaged = existsSync(path.join(folder, place.fileName));
      const [from, at] = isStaged
        ? [folder, place]
        : [path.dirname(published), { ...place, fileName: path.basename(published) }];
      const directory = openDirectory(from);
      try {
        for await (const piece of readStaged(directory, chunk, at)) hasher.update(piece);
      } finally {
        directory.close();
      }
    } catch {
      wrong.push(chunk); // not even there
      continue;
    }
    if (!sameDigest(hasher.digest(), state.digests.get(chunk)!)) wrong.push(chunk);
  }
  return wrong;
}

/** Where the entry of a chunk is in the end. */
function publishedOf({ manifest, layout }: IncomingTransfer, chunk: number, target: string): string {
  const [segment] = layout.segmentsOf(chunk);
  return path.join(target, manifest.entries.at(segment?.entryIndex ?? 0)?.path ?? '');
}
