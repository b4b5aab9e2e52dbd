/**
 * Elects one of the nodes that share a state store, for work that is done once. The elected node holds a lease
 * document, changed by compare-and-set. For a moment two nodes may believe that they hold it, so their work must be
 * harmless twice.
 */
import * as v from 'valibot';
import type { Logger } from '../../base/logger.ts';
import { repeatedly } from '../../base/repeatedly.ts';
import type { StateStore } from '../../storage/state/state-store.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const leaseSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ node: v.string(), term: count, untilMs: count }),
);
type Lease = v.InferOutput<typeof leaseSchema>;

/** Tells whether this node is the elected one. */
export interface Election {
  /**
   * Takes or renews the lease, unless another node's is valid; answers whether this node is elected. @throws
   * CairnError storage codes
   */
  hold(): Promise<boolean>;
  /** Whether the last lease of this node is still valid. */
  isHeld(): boolean;
  /** Renews the lease from time to time, until the caller calls the returned function. */
  keep(): () => void;
  /** Gives the lease back, so that another node need not wait for its end. */
  resign(): Promise<void>;
}

/** The parts of an election. */
export interface ElectionOptions {
  readonly state: Pick<StateStore, 'get' | 'compareAndSet'>;
  /** The key of the lease document. */
  readonly key: string;
  readonly instanceId: string;
  readonly leaseMs: number;
  readonly now: () => number;
  readonly log: Logger;
}

/** The election of a server that shares its stores with no other one. */
export const ALWAYS_ELECTED: Election = {
  hold: async () => true,
  isHeld: () => true,
  keep: () => () => undefined,
  resign: async () => undefined,
};

/** Makes the election of one node. */
export function createElection({ state, key, instanceId, leaseMs, now, log }: ElectionOptions): Election {
  let heldUntilMs = 0;
  const set = async (untilMs: number): Promise<void> => {
    const there = await state.get(key);
    const lease = parseLease(there?.text);
    const isMine = lease?.node === instanceId;
    if (lease !== undefined && !isMine && now() < lease.untilMs) {
      heldUntilMs = 0;
      return;
    }
    const { term = 0 } = lease ?? {};
    const next: Lease = { node: instanceId, term: isMine ? term : term + 1, untilMs };
    const isSet =
      (await state.compareAndSet(key, there?.version ?? null, JSON.stringify(next))) !== undefined;
    // Of two renewals at the same time one fails, and the lease of the other stays valid.
    if (isSet || !isMine) heldUntilMs = isSet ? untilMs : 0;
    if (isSet && !isMine) log.info({ term: next.term }, 'this node is elected to free what no session needs');
  };
  const isHeld = (): boolean => now() < heldUntilMs;
  const hold: Election['hold'] = async () => {
    await set(now() + leaseMs);
    return isHeld();
  };
  return {
    hold,
    isHeld,
    keep: () =>
      repeatedly(hold, leaseMs / 3, (error) => {
        log.warn({ err: error }, 'this node could not renew the lease of the collector; it tries again');
      }),
    resign: async () => {
      if (!isHeld()) return;
      try {
        await set(0);
      } catch (error) {
        log.warn(
          { err: error },
          'this node could not give back the lease of the collector, which ends by itself',
        );
      }
    },
  };
}

/** A damaged lease counts as none: the next node that wants one writes it anew. */
function parseLease(text: string | undefined): Lease | undefined {
  const result = v.safeParse(leaseSchema, text);
  return result.success ? result.output : undefined;
}
