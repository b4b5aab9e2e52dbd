/** A session as its client holds it: the terms of the current epoch, and one way to get the next. */
import { CairnError } from '../../base/errors.ts';
import type { ChunkEncoding } from '../../session/encoding.ts';
import { isTokenRefused } from '../http/access.ts';
import type { Retrier } from '../http/retry.ts';
import type { Server } from '../http/server-calls.ts';
import { keepAuthorized, type AuthorizationKeeper } from './keep-authorized.ts';
import type { CheckpointReply, ResumeRequest, SessionTerms } from '../../wire/messages.ts';
import {
  abortSession,
  getCheckpoint,
  heartbeat,
  resumeSession,
  type SessionAccess,
} from './session-calls.ts';
import { unlessAborted } from '../../base/abort-signals.ts';
import { repeatedly } from '../../base/repeatedly.ts';
import type { WorkerCount } from '../../base/workers.ts';

/** What happens with every new epoch, before anything else is asked in it. */
export interface EpochHooks {
  /** Keeps the new terms, durably. */
  readonly onTerms?: (terms: SessionTerms) => Promise<void>;
  /** Takes in the receiver's checkpoint. Without it the checkpoint is not asked for. */
  readonly onCheckpoint?: ((checkpoint: CheckpointReply, terms: SessionTerms) => Promise<void>) | undefined;
}

/** Encodings that are offered to a server; undefined for none. */
export interface Offers {
  readonly offers: ChunkEncoding[] | undefined;
}

/** What a session uses of the run that it is in. */
export interface SessionSurroundings {
  readonly server: Server;
  readonly retrier: Retrier;
  readonly signal: AbortSignal;
  /** Chunks on their way at a time, as far as the link goes. */
  readonly flow: WorkerCount;
  /** The encodings that are offered with every new epoch. */
  readonly compression: Offers;
  readonly counters: { resumes: number };
}

/** One session. */
export interface SessionClient {
  /** The terms of the current epoch. */
  readonly terms: SessionTerms;
  /** Chunks on their way at a time: what the link gives or the user wants, and no more than the server takes. */
  readonly parallel: WorkerCount;
  /**
   * Runs one operation with the retry policy, resuming the session where that is needed. `operation` is called again
   * with the terms of the epoch in which it runs.
   *
   * @throws CairnError the operation's; `session-fenced` where another client took over; the signal's reason
   */
  run<T>(operation: (at: SessionAccess, attempt: number) => Promise<T>): Promise<T>;
  /** Starts a new epoch, unless one later than `seenEpoch` has begun. Callers at the same time share one. */
  resume(seenEpoch: number): Promise<void>;
  /** Sets what happens with every new epoch from now on. */
  setHooks(hooks: EpochHooks): void;
  /** The same session with a signal of its own, for the workers of one stage. */
  withSignal(signal: AbortSignal): SessionClient;
  /** Runs `work` while a timer keeps the lease. */
  keepingLease<T>(work: () => Promise<T>): Promise<T>;
  /** One try to free the session, within a short time and whatever became of the signal. Failure is no error. */
  abandon(): Promise<void>;
}

const FENCED = new Set(['session-fenced', 'session-credential']);
/** In these a session takes nothing but the commit that brought it there. */
const ENDING = new Set<SessionTerms['state']>(['committing', 'committed']);
/** Between two heartbeats, whatever the server says of its lease. */
const HEARTBEAT_INTERVAL_MS = { min: 250, max: 60_000 } as const;
/** How long a run that ends waits for the server, in milliseconds. */
export const FAREWELL_MS = 2_000;

interface State {
  terms: SessionTerms;
  hooks: EpochHooks;
  resuming: Promise<void> | undefined;
  /** False where the session has to be resumed all the same. */
  renewing: Promise<boolean> | undefined;
  readonly keeper: AuthorizationKeeper;
}

/** Makes the client of a session that was established or resumed; it keeps the session authorized. */
export function createSessionClient(context: SessionSurroundings, terms: SessionTerms): SessionClient {
  const { server, signal } = context;
  const keeper = keepAuthorized(server.access, () => ({ server, terms: state.terms, signal }), signal);
  const state: State = { terms, hooks: {}, resuming: undefined, renewing: undefined, keeper };
  keeper.authorizedFor(terms.authorizedForMs);
  return clientOf(context, state, signal);
}

/**
 * Resumes the session of an earlier run; everything of the new epoch is up to the caller. A wish makes the sync mode
 * stricter. Where another client had it meanwhile, this run takes it over: who may do so is proved by the access token.
 *
 * @throws CairnError `session-not-found`, `session-expired`, `session-aborted`, `forbidden`, network codes
 */
export async function openSession(
  context: SessionSurroundings,
  { session, credential }: SessionTerms,
  wish: ResumeRequest = {},
): Promise<SessionClient> {
  const { retrier, server, signal, compression } = context;
  const request = { ...wish, encodings: compression.offers };
  const terms = await retrier.run(async () => {
    try {
      return await resumeSession(server, { session, credential }, request, signal);
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== 'session-credential') throw error;
      return resumeSession(server, { session }, request, signal);
    }
  });
  context.counters.resumes += 1;
  return createSessionClient(context, terms);
}

function clientOf(context: SessionSurroundings, state: State, signal: AbortSignal): SessionClient {
  const access = (): SessionAccess => ({ server: context.server, terms: state.terms, signal });
  const resume = (seenEpoch: number): Promise<void> => {
    if (state.terms.epoch > seenEpoch) return Promise.resolve();
    state.resuming ??= nextEpoch(context, state).finally(() => {
      state.resuming = undefined;
    });
    return state.resuming;
  };
  /** A new epoch would end requests that are on their way still, which the server lets arrive. */
  const authorizeAgain = async (): Promise<void> => {
    const { epoch } = state.terms;
    state.renewing ??= renewal(context, access, state).finally(() => {
      state.renewing = undefined;
    });
    if (!(await state.renewing)) await resume(epoch);
  };
  const client: SessionClient = {
    get terms() {
      return state.terms;
    },
    parallel: {
      get width() {
        return Math.min(context.flow.width, state.terms.parallel);
      },
      onWiden: context.flow.onWiden,
    },
    run: (operation) => {
      let used = state.terms.epoch;
      return context.retrier.run(
        async (attempt) => {
          if (state.resuming !== undefined) await unlessAborted(state.resuming, signal);
          // What would be refused is not even sent.
          else if (state.keeper.isOver()) await unlessAborted(authorizeAgain(), signal);
          const at = access();
          used = at.terms.epoch;
          try {
            return await operation(at, attempt);
          } catch (error) {
            throw await ofOwnMaking(error, used, state);
          }
        },
        {
          recover: ({ cause }) =>
            unlessAborted(isTokenRefused(cause) ? authorizeAgain() : resume(used), signal),
          signal,
        },
      );
    },
    resume,
    setHooks: (hooks) => void (state.hooks = hooks),
    withSignal: (other) => clientOf(context, state, other),
    keepingLease: (work) => keepingLease(access, work),
    abandon: async () => {
      // Whatever fails here is the lease's business: the server frees the session when it ends.
      await abortSession({ ...access(), signal: AbortSignal.timeout(FAREWELL_MS) }).catch(() => undefined);
    },
  };
  return client;
}

/**
 * Requests that were under way when this very client began a new epoch are fenced like those of a stranger. They are
 * told apart by the epoch they were sent with, and simply made again.
 */
async function ofOwnMaking(failure: unknown, sentEpoch: number, state: State): Promise<unknown> {
  if (!(failure instanceof CairnError)) return failure;
  if (isTokenRefused(failure)) return unauthorized(failure);
  if (failure.code === 'session-state' && ENDING.has(state.terms.state)) return finishedByAnother(failure);
  if (!FENCED.has(failure.code)) return failure;
  // A resume that is under way may have raised the epoch already; its own failure is told to its caller.
  await Promise.allSettled([state.resuming]);
  if (state.terms.epoch === sentEpoch) return failure;
  return new CairnError('session-suspended', 'the session went on in a new epoch meanwhile', {
    cause: failure,
  });
}

/** Who asks has to be proved anew; what was sent stays. */
function unauthorized(cause: CairnError): CairnError {
  return new CairnError('session-suspended', 'the session goes on once there is a new access token', {
    cause,
  });
}

/** While this client was away, another one took the session over and brought it to its end. */
function finishedByAnother(cause: CairnError): CairnError {
  const message = 'another client took over this transfer and has finished it; run the command again to see';
  return new CairnError('session-fenced', message, { cause, details: cause.details });
}

/** Waits for a token that is good, and shows it; false where the session was suspended meanwhile. */
function renewal(
  { retrier, server }: SessionSurroundings,
  access: () => SessionAccess,
  { keeper }: State,
): Promise<boolean> {
  const renew = async (): Promise<boolean> => {
    try {
      const reply = await server.access.run((headers) => heartbeat(access(), headers));
      keeper.authorizedFor(reply.authorizedForMs);
      return true;
    } catch (error) {
      if (error instanceof CairnError && error.code === 'session-suspended') return false;
      throw error;
    }
  };
  return retrier.run(renew, { alsoAgain: isToCome });
}

/** It was good a moment ago: a user, or a job, is about to put a new one in its place. */
function isToCome({ code }: CairnError): boolean {
  return code === 'token-expired';
}

/** Resumes until one epoch lasts long enough to fetch its checkpoint. */
async function nextEpoch(context: SessionSurroundings, state: State): Promise<void> {
  const { retrier, server, signal, compression } = context;
  const next = async (): Promise<void> => {
    const terms = await resumeSession(server, state.terms, { encodings: compression.offers }, signal);
    state.terms = terms;
    state.keeper.authorizedFor(terms.authorizedForMs);
    await state.hooks.onTerms?.(terms);
    // While it is being committed nothing of it changes any more.
    if (state.hooks.onCheckpoint === undefined || terms.state !== 'open') return;
    const checkpoint = await getCheckpoint({ server, terms, signal });
    await state.hooks.onCheckpoint(checkpoint, terms);
  };
  await retrier.run(next, { alsoAgain: isToCome });
  context.counters.resumes += 1;
}

async function keepingLease<T>(access: () => SessionAccess, work: () => Promise<T>): Promise<T> {
  const { min, max } = HEARTBEAT_INTERVAL_MS;
  const intervalMs = Math.max(min, Math.min(max, Math.ceil(access().terms.leaseMs / 4)));
  // A heartbeat that fails costs nothing: the next request of the transfer finds out and knows what to do.
  const stop = repeatedly(
    () => heartbeat(access()),
    intervalMs,
    () => undefined,
  );
  try {
    return await work();
  } finally {
    stop();
  }
}
