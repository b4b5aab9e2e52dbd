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
export async function holdStore(options: HoldOptions): Promise<HeldStore> {
  const { state, shown } = options;
  const holder = randomBytes(12).toString('base64url');
  const release = async (): Promise<void> => {
    if (holderIn((await state.get(HELD))?.text) === holder) await state.remove(HELD);
  };
  const beganAtMs = performance.now();
  await put(options, holder, (endsAtMs, _isMine, nowMs) => {
    if (endsAtMs > nowMs) throw heldByOther(shown, endsAtMs - nowMs);
  });
  try {
    await refuseServers(state, shown);
  } catch (error) {
    await release();
    throw error;
  }
  const kept = keepHeld(options, holder, beganAtMs);
  return {
    signal: kept.signal,
    release: async () => {
      kept.stop();
      await release();
    },
  };
}

/** Puts the document of a command, unless `refuse` throws for the one that is there. */
async function put(
  { state, shown, leaseMs = LEASE_MS }: HoldOptions,
  holder: string,
  refuse: (endsAtMs: number, isMine: boolean, nowMs: number) => void,
): Promise<void> {
  const nowMs = await state.now();
  const there = await state.get(HELD);
  refuse(endOfLease(there?.text), holderIn(there?.text) === holder, nowMs);
  const text = JSON.stringify({ holder, untilMs: nowMs + leaseMs });
  if ((await state.compareAndSet(HELD, there?.version ?? null, text)) === undefined)
    throw heldByOther(shown, leaseMs);
}

/**
 * Renews the lease. One that has ended is not taken again: a server may have begun since. What is under way gets the time of one
 * renewal to end before that.
 */
function keepHeld(
  options: HoldOptions,
  holder: string,
  beganAtMs: number,
): { readonly signal: AbortSignal; stop(): void } {
  const { shown, leaseMs = LEASE_MS } = options;
  const renewMs = leaseMs / RENEWALS_OF_A_LEASE;
  const lost = new AbortController();
  let failure: unknown;
  let deadline: NodeJS.Timeout | undefined;
  const loseLater = (renewedAtMs: number): void => {
    clearTimeout(deadline);
    const leftMs = leaseMs - renewMs - (performance.now() - renewedAtMs);
    deadline = setTimeout(() => lost.abort(notRenewed(shown, failure)), leftMs).unref();
  };
  const renew = async (): Promise<void> => {
    const renewedAtMs = performance.now();
    await put(options, holder, (endsAtMs, isMine, nowMs) => {
      if (!isMine || endsAtMs <= nowMs) throw notRenewed(shown);
    });
    failure = undefined;
    loseLater(renewedAtMs);
  };
  const stopRenewing = repeatedly(renew, renewMs, (error) => {
    failure = error;
    if (error instanceof CairnError && error.code === 'state-locked') lost.abort(error);
  });
  loseLater(beganAtMs);
  return {
    signal: lost.signal,
    stop: () => {
      stopRenewing();
      clearTimeout(deadline);
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

function notRenewed(shown: string, cause?: unknown): CairnError {
  const message = `this command could not keep servers away from the store "${shown}": it was stopped, or the store did not answer; see that no server runs, and run it again`;
  return new CairnError('state-locked', message, cause === undefined ? {} : { cause });
}

const seconds = (ms: number): string => `${Math.ceil(ms / 1000)} s`;

const named = v.pipe(v.string(), v.parseJson(), v.object({ holder: v.string() }));

function holderIn(text: string | undefined): string | undefined {
  const result = v.safeParse(named, text);
  return result.success ? result.output.holder : undefined;
}
