/** Makes a server one of the nodes of a store, for as long as it runs. */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { repeatedly } from '../../../base/repeatedly.ts';
import { endOfLease, HELD, nodesNow, noteNode, removeNode, type NodeState } from './node-list.ts';

/** How long a node that says nothing more counts as running. */
const NODE_LEASE_MS = 90_000;
const RENEWALS_OF_A_LEASE = 3;

/** A node of a store. */
export interface JoinedStore {
  /** Random; tells this node from the others. */
  readonly id: string;
  /** How many nodes the store had at the last look, this one among them. */
  count(): number;
  /** Resolves where a command has taken the store for itself meanwhile, as after this process was stopped for long. */
  readonly lost: Promise<CairnError>;
  /** Never rejects: a node that could not say that it goes is forgotten after its lease. */
  leave(): Promise<void>;
}

/** What joining needs. */
export interface JoinOptions {
  readonly state: NodeState;
  /** The store, for people. */
  readonly shown: string;
  readonly log: Pick<Logger, 'warn'>;
  readonly leaseMs?: number;
}

/** Joins. @throws CairnError `state-locked` while a command has the store for itself; storage codes */
export async function joinStore(options: JoinOptions): Promise<JoinedStore> {
  const { state, shown, log, leaseMs = NODE_LEASE_MS } = options;
  const id = randomBytes(6).toString('base64url');
  let count = 1;
  let lose: (error: CairnError) => void;
  const lost = new Promise<CairnError>((resolve) => (lose = resolve));
  const renew = async (): Promise<CairnError | undefined> => {
    const nowMs = await state.now();
    await noteNode(state, id, nowMs + leaseMs);
    // In this order: whoever takes the store for itself does it the other way round.
    if (endOfLease((await state.get(HELD))?.text) > nowMs) return held(shown);
    count = Math.max(1, (await nodesNow(state, nowMs)).count);
    return undefined;
  };
  const leave = async (): Promise<void> => {
    try {
      await removeNode(state, id);
    } catch (error) {
      log.warn({ err: error }, 'this node could not say that it ends; it is forgotten by itself');
    }
  };
  const refusal = await renew();
  if (refusal !== undefined) {
    await leave();
    throw refusal;
  }
  const stop = repeatedly(
    async () => {
      const error = await renew();
      if (error !== undefined) lose(error);
    },
    leaseMs / RENEWALS_OF_A_LEASE,
    (error) => log.warn({ err: error }, 'this node could not say that it runs; it tries again'),
  );
  return {
    id,
    count: () => count,
    lost,
    leave: async () => {
      stop();
      await leave();
    },
  };
}

function held(shown: string): CairnError {
  const message = `a check or a copy of the store "${shown}" runs, which needs it for itself; start the server when it has ended`;
  return new CairnError('state-locked', message);
}
