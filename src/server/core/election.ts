/**
 * One node among many that share a state store does what has to be done once: it holds a lease document, changed by
 * compare-and-set. Two may believe for a moment that they hold it, so that what they do must be harmless twice.
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
  /** Takes the lease, or renews it, where no other node's stands; whether this node is elected then. @throws CairnError storage codes */
  hold(): Promise<boolean>;
  /** Whether the lease that was taken last still stands. */
  isHeld(): boolean;
  /** Renews the lease from time to time, until what it answers is called. */
  keep(): () => void;
  /** Gives the lease back, so that another node need not wait for its end. */
  resign(): Promise<void>;
}

/** What an election is held with. */
export interface ElectionOptions {
  readonly state: Pick<StateStore, 'get' | 'compareAndSet'>;
  /** The key of the lease document. */
  readonly key: string;
  readonly instanceId: string;
  readonly leaseMs: number;
  readonly now: () => number;
  readonly log: Logger;
}

/** The election of a server that is alone with its stores. */
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
    // Of two renewals at once one is too late, which takes nothing from what the other has renewed.
    if (isSet || !isMine) heldUntilMs = isSet ? untilMs : 0;
    if (isSet && !isMine) log.info({ term: next.term }, 'this node is elected to collect what nobody needs');
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
        log.warn({ err: error }, 'the lease of the collector could not be renewed');
      }),
    resign: async () => {
      if (!isHeld()) return;
      try {
        await set(0);
      } catch (error) {
        log.warn({ err: error }, 'the lease of the collector could not be given back; it ends by itself');
      }
    },
  };
}

/** What is no lease is treated as none: the next one who wants it writes it anew. */
function parseLease(text: string | undefined): Lease | undefined {
  const result = v.safeParse(leaseSchema, text);
  return result.success ? result.output : undefined;
}
