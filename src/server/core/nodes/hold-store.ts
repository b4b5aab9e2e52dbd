/** Takes a store for one command, such as a check or a copy, while no server (node) uses it. */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { CairnError } from '../../../base/errors.ts';
import { repeatedly } from '../../../base/repeatedly.ts';
import { collectorLeaseMs, endOfLease, HELD, nodesNow, type NodeState } from './node-list.ts';

const LEASE_MS = 60_000;
const RENEWALS_OF_A_LEASE = 4;

/** A store that no server may use now. */
export interface HeldStore {
  /** Aborted where the store could not be held any more: the command has to end. Its reason is a CairnError. */
  readonly signal: AbortSignal;
  release(): Promise<void>;
}

/** What holding needs. */
export interface HoldOptions {
  readonly state: NodeState;
  /** The store, for people. */
  readonly shown: string;
  readonly leaseMs?: number;
}

/** Takes it. @throws CairnError `state-locked` while servers use it, or another command; storage codes */
export async function holdStore({ state, shown, leaseMs = LEASE_MS }: HoldOptions): Promise<HeldStore> {
  const holder = randomBytes(12).toString('base64url');
  const take = async (): Promise<void> => {
    const nowMs = await state.now();
    const there = await state.get(HELD);
    const isMine = holderIn(there?.text) === holder;
    if (!isMine && endOfLease(there?.text) > nowMs) throw heldByOther(shown, endOfLease(there?.text) - nowMs);
    const text = JSON.stringify({ holder, untilMs: nowMs + leaseMs });
    if ((await state.compareAndSet(HELD, there?.version ?? null, text)) === undefined)
      throw heldByOther(shown, leaseMs);
  };
  const release = async (): Promise<void> => {
    if (holderIn((await state.get(HELD))?.text) === holder) await state.remove(HELD);
  };
  await take();
  try {
    await refuseServers(state, shown);
  } catch (error) {
    await release();
    throw error;
  }
  const lost = new AbortController();
  let renewedAtMs = performance.now();
  const stop = repeatedly(
    async () => {
      const beganAtMs = performance.now();
      await take();
      renewedAtMs = beganAtMs;
    },
    leaseMs / RENEWALS_OF_A_LEASE,
    (error) => {
      const isOther = error instanceof CairnError && error.code === 'state-locked';
      if (isOther || performance.now() - renewedAtMs > leaseMs) lost.abort(error);
    },
  );
  return {
    signal: lost.signal,
    release: async () => {
      stop();
      await release();
    },
  };
}

async function refuseServers(state: NodeState, shown: string): Promise<void> {
  const nowMs = await state.now();
  const { count, longestMs } = await nodesNow(state, nowMs);
  const waitMs = Math.max(longestMs, await collectorLeaseMs(state, nowMs));
  if (waitMs <= 0) return;
  const servers = count > 1 ? `${count} servers use` : 'a server uses';
  const message = `${servers} the store "${shown}"; stop every server of it. One that was killed counts for ${seconds(waitMs)} more`;
  throw new CairnError('state-locked', message, { details: { nodes: count } });
}

function heldByOther(shown: string, leftMs: number): CairnError {
  const message = `another check or copy works on the store "${shown}"; let it end. One that was killed counts for ${seconds(leftMs)} more`;
  return new CairnError('state-locked', message);
}

const seconds = (ms: number): string => `${Math.ceil(ms / 1000)} s`;

const named = v.pipe(v.string(), v.parseJson(), v.object({ holder: v.string() }));

function holderIn(text: string | undefined): string | undefined {
  const result = v.safeParse(named, text);
  return result.success ? result.output.holder : undefined;
}
