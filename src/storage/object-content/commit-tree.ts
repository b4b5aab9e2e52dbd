/**
 * Publishing: the staged chunks are the content already, so the new leaves that name them are written, and then one
 * compare-and-set of the root makes the whole tree appear at once.
 */
import { createHash } from 'node:crypto';
import { numbered } from '../../manifest/entry-table.ts';
import { RefusedEntries } from '../../transfer/refused-entries.ts';
import type { IncomingTransfer, PublishOrder } from '../content-store.ts';
import type { PageWriter } from '../entry-tree/page-writer.ts';
import { planPublishing } from './publish-plan.ts';
import type { PublishedTree } from './published-tree.ts';
import {
  loadOutcome,
  type PublishOutcome,
  recordOutcome,
  saveOutcome,
  tellOutcome,
} from './publish-outcome.ts';
import type { StagedChunk } from './staged-chunk.ts';
import type { NextRoot, ReadRoot, RecentCommit, TreeRoot } from './tree-root.ts';

/** Others do not wait for a change of more entries. */
const LONG_ENTRIES = 5000;

/** What commits of one staging area need. */
export interface Committing {
  readonly tree: PublishedTree;
  /** Names the area: the session's id, and the random number of the area. */
  readonly area: string;
  /** Throws where the area is gone, so that its objects may be freed. */
  readonly checkOpen: () => Promise<void>;
  /** Makes a writer of pages into the objects of the area. */
  readonly createWriter: () => PageWriter;
  /** Prefix of the objects that tell what was left out. */
  readonly outcomePrefix: string;
}

/**
 * Publishes a tree from its chunks, all at once; a call after a crash finds out whether the earlier one did so.
 *
 * @throws CairnError `chunks-missing`; where no entry may be refused `is-directory`, `not-directory`, `symlink-refused`
 */
export async function publishAtOnce(
  committing: Committing,
  transfer: IncomingTransfer,
  order: PublishOrder,
  staged: ReadonlyMap<number, StagedChunk>,
): Promise<void> {
  const { tree, area } = committing;
  const digest = digestOf(transfer, order);
  const isThis = (commit: RecentCommit): boolean => commit.area === area && commit.order === digest;
  const growingOrder = growing(order);
  const writer = committing.createWriter();
  let isOvertaken = false;
  let outcome: PublishOutcome | undefined;
  const step = async (root: ReadRoot): Promise<NextRoot | undefined> => {
    const done = root.recent.find(isThis);
    outcome = done && (await loadOutcome(tree.objects, done.outcome));
    if (done !== undefined) return undefined;
    // Both are asked for a root that was read before: a change after it fails where one of them is no longer so.
    await committing.checkOpen();
    await order.confirm?.().catch((error: unknown) => {
      isOvertaken = true;
      throw error;
    });
    const { recorded, outcome: recordedOutcome } = recordOutcome(growingOrder);
    const refused = new RefusedEntries(transfer.manifest.entries, recorded.onRefused);
    const nowMs = once(() => tree.objects.now());
    const view = tree.view(root);
    const changes = await planPublishing({ tree: view, transfer, order: recorded, staged, refused, nowMs });
    const next = await tree.apply(root, changes, writer);
    outcome = recordedOutcome();
    const key = await saveOutcome(tree.objects, committing.outcomePrefix, outcome);
    const others = root.recent.filter((commit) => commit.area !== area);
    return { tree: next, recent: [...others, { area, order: digest, outcome: key }] };
  };
  try {
    await tree.change(step, { isLong: transfer.manifest.entries.length > LONG_ENTRIES });
  } catch (error) {
    if (order.confirm === undefined || isOvertaken) throw error;
    // Nothing that an earlier publisher has begun may come after this failure is told.
    const done = (await tree.fence()).recent.find(isThis);
    if (done === undefined) throw error;
    outcome = await loadOutcome(tree.objects, done.outcome);
  }
  if (outcome !== undefined) tellOutcome(order, outcome);
  order.onProgress?.(transfer.manifest.entries.length);
}

/** Whether a commit of the area is published; one that is under way and is not will never be. */
export async function isCommitted({ tree, area }: Committing): Promise<boolean> {
  const isOfArea = (root: TreeRoot): boolean => root.recent.some((commit) => commit.area === area);
  return isOfArea(await tree.fence());
}

/** Names what is to be done, so that another order of the same session is not taken for done. */
function digestOf({ manifest, target }: IncomingTransfer, order: PublishOrder): string {
  const hash = createHash('sha256');
  const { streamSizeBytes, forceReplace, existing, backup, removal } = order;
  hash.update(JSON.stringify([manifest.id, target, streamSizeBytes, forceReplace, existing, backup]));
  const bits = Buffer.alloc(manifest.entries.length);
  for (let index = 0; index < bits.byteLength; index += 1) {
    const of = (isSuch: (entryIndex: number) => boolean, bit: number): number => (isSuch(index) ? bit : 0);
    bits[index] = of(order.isPresent, 1) | of(order.needsAttributes, 2) | of(order.isExcluded, 4);
  }
  hash.update(bits);
  if (removal !== undefined) for (const [, { path }] of numbered(removal.entries)) hash.update(`${path}\0`);
  return hash.digest('base64url');
}

/** Progress that never goes back, also where the same is decided anew; all entries are done only at the end. */
function growing(order: PublishOrder): PublishOrder {
  const { onProgress } = order;
  if (onProgress === undefined) return order;
  let most = 0;
  return {
    ...order,
    onProgress: (entriesDone) => {
      most = Math.max(most, entriesDone);
      onProgress(most);
    },
  };
}

function once(ask: () => Promise<number>): () => Promise<number> {
  let answer: Promise<number> | undefined;
  return () => (answer ??= ask());
}
