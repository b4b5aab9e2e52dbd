/**
 * The documents by which servers (nodes) of one store, and commands that need a store for themselves, know of each other.
 * Both put their own document first and look at those of the others then: so of two that begin at once, one at least sees the
 * other. Ages are judged by the clock of the store.
 */
import * as v from 'valibot';
import type { StateStore } from '../../../storage/state/state-store.ts';

/** Below it each node has a document. */
const NODES = 'l/nodes/';
/** The document of the command that has the store for itself. */
export const HELD = 'l/held';
/** The lease of the node that collects, which nodes of older versions have, too. */
export const COLLECTOR = 'l/collector';
/** Documents of nodes that were killed so long ago are removed. */
const OLD_AFTER_MS = 3_600_000;

const lease = v.pipe(v.string(), v.parseJson(), v.object({ untilMs: v.pipe(v.number(), v.safeInteger()) }));

/** The part of a state store that this needs. */
export type NodeState = Pick<StateStore, 'get' | 'compareAndSet' | 'list' | 'remove' | 'now'>;

/** Says that a node is there until a time of the store's clock. @throws CairnError storage codes */
export async function noteNode(state: NodeState, id: string, untilMs: number): Promise<void> {
  const key = NODES + id;
  const there = await state.get(key);
  await state.compareAndSet(key, there?.version ?? null, JSON.stringify({ untilMs }));
}

/** Says that a node is gone. @throws CairnError storage codes */
export async function removeNode(state: Pick<NodeState, 'remove'>, id: string): Promise<void> {
  await state.remove(NODES + id);
}

/** The nodes that are there. */
export interface NodesNow {
  readonly count: number;
  /** For how long the last of them counts, should all have been killed. */
  readonly longestMs: number;
}

/** Counts the nodes, and removes documents of those that are long gone. @throws CairnError storage codes */
export async function nodesNow(state: NodeState, nowMs: number): Promise<NodesNow> {
  let count = 0;
  let longestMs = 0;
  for await (const { key, text } of state.list(NODES)) {
    const leftMs = endOfLease(text) - nowMs;
    if (leftMs > 0) count += 1;
    else if (leftMs < -OLD_AFTER_MS) await state.remove(key);
    longestMs = Math.max(longestMs, leftMs);
  }
  return { count, longestMs };
}

/** How long the lease of the node that collects still lasts; 0 where nobody has it. @throws CairnError storage codes */
export async function collectorLeaseMs(state: Pick<NodeState, 'get'>, nowMs: number): Promise<number> {
  return Math.max(0, endOfLease((await state.get(COLLECTOR))?.text) - nowMs);
}

/** When the lease in a document ends, by the store's clock; a damaged one is over. */
export function endOfLease(text: string | undefined): number {
  const result = v.safeParse(lease, text);
  return result.success ? result.output.untilMs : Number.NEGATIVE_INFINITY;
}
