/** The frame around every request of a session: who asks, may they, keep the lease, and end when the epoch does. */
import { CairnError } from '../../../base/errors.ts';
import type { MomentCause } from '../../../session/history.ts';
import type { SessionEvent } from '../../../session/state.ts';
import { isTerminal } from '../../../session/state.ts';
import { checkStands, EXPIRY_GRACE_MS } from '../../access/authenticator.ts';
import { authenticate, sessionProofOf, type SessionProof } from '../../http/authorize.ts';
import { checkTakeover } from '../../core/quota/quota.ts';
import { noticeReuse } from '../../core/sessions/credential-reuse.ts';
import { renewAuthorization } from '../../core/sessions/renewal.ts';
import { isOfSession, retirePrevious } from '../../../session/credential-rotation.ts';
import { expireSession } from '../../core/sessions/expiry.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { LiveSession, SessionRequest } from '../../core/sessions/live-session.ts';
import type { ServerContext } from '../../server-context.ts';

/** What a handler of a session's request is given. */
export interface SessionWork {
  readonly live: LiveSession;
  /** The epoch in whose name the request acts. */
  readonly epoch: number;
  /** The request itself, as one of those in flight. */
  readonly request: SessionRequest;
  /** By whom and from where, for what it brings about. */
  readonly cause: MomentCause;
}

/** Which session a request is of, and what it wants to do with it. */
export interface SessionCall {
  readonly id: string;
  readonly event: SessionEvent;
  /** Only sessions of this direction. */
  readonly direction?: 'push' | 'pull';
  /** The chunk that it is about. A newer request for a chunk ends an older one. */
  readonly chunk?: number;
  /** Whether it was sent with its body, and may have been on its way for long when its token expired. */
  readonly mayBeLate?: boolean;
}

/**
 * Admits a request to its session and runs `work`.
 *
 * An access token beside the session's own credential renews what the session is authorized by.
 *
 * @throws CairnError `unauthenticated`, `token-expired`, `token-revoked`, `session-not-found`, `session-fenced`,
 * `session-credential`, `session-suspended`, `session-expired`, `session-aborted`, `session-state`
 */
export async function withSession(
  context: ServerContext,
  exchange: Exchange,
  call: SessionCall,
  work: (given: SessionWork) => Promise<void>,
): Promise<void> {
  const proof = sessionProofOf(exchange);
  const { authorization: header } = exchange.request.headers;
  const asking = header === undefined ? undefined : await authenticate(context, exchange);
  await context.live.use(call.id, async (live) => {
    checkPrincipal(live, asking?.principal);
    if (asking === undefined) checkKnows(context, live, proof.credential);
    await refuseExpired(context, live);
    await admit(context, live, { proof, event: call.event, address: exchange.address });
    checkDirection(live, call.direction);
    if (asking !== undefined) {
      await checkTakeover(context.usage, asking, live.record.value);
      await renewAuthorization(live, asking, exchange.address);
    }
    checkAuthorized(context, live, call.mayBeLate === true ? EXPIRY_GRACE_MS : 0);
    const { epoch } = proof;
    const { address } = exchange;
    const end = (error: CairnError): void => endExchange(exchange, error);
    await inFlight(live, { epoch, address, chunk: call.chunk, end }, async (request) => {
      await live.record.touch();
      const cause = { by: live.record.value.authorization?.id, from: address };
      await work({ live, epoch, request, cause });
    });
  });
}

async function admit(
  context: ServerContext,
  live: LiveSession,
  { proof, event, address }: { proof: SessionProof; event: SessionEvent; address: string },
): Promise<void> {
  const { record } = live;
  try {
    record.admit(proof, event);
  } catch (error) {
    await noticeReuse(context, live, { credential: proof.credential, epoch: proof.epoch, address });
    throw error;
  }
  // The answer that brought the new credential has arrived: nobody needs the one before any more.
  if (record.value.previousCredentialHash !== undefined)
    await record.change(undefined, (current) => retirePrevious(current), proof.epoch);
}

/** Refuses what is asked for in the name of an authorization that is over. A record of an older cairn has none. */
function checkAuthorized(
  { authenticators, wallNow }: ServerContext,
  { record }: LiveSession,
  graceMs: number,
): void {
  const { authorization, state } = record.value;
  if (isTerminal(state)) return;
  if (authorization === undefined)
    throw new CairnError('session-suspended', 'nobody is known to be authorized for this session; resume it');
  checkStands(authenticators, authorization, wallNow() - graceMs);
}

/** Another principal's session does not exist. @throws CairnError `session-not-found` */
export function checkPrincipal(live: LiveSession, principal: string | undefined): void {
  if (principal === undefined || principal === live.record.value.principal) return;
  throw noSession();
}

/** Who shows no token, and a credential that was never one of the session's, must not learn that there is a session. */
function checkKnows({ metrics }: ServerContext, { record }: LiveSession, credential: string): void {
  if (isOfSession(record.value, credential)) return;
  metrics.authenticationFailed('session-credential');
  throw noSession();
}

function noSession(): CairnError {
  return new CairnError('session-not-found', 'there is no such session; run the command again to start over');
}

/** A session whose lease is over has expired, whether the collector was here or not. Throws `session-expired`. */
export async function refuseExpired(context: ServerContext, live: LiveSession): Promise<void> {
  if (isTerminal(live.record.value.state) || live.job?.isRunning === true || !live.record.isLeaseOver())
    return;
  await expireSession(context, live);
  if (live.record.value.state !== 'expired') return;
  throw new CairnError('session-expired', 'the session has expired; run the command again to start over');
}

function checkDirection(live: LiveSession, direction: 'push' | 'pull' | undefined): void {
  const { direction: actual } = live.record.value;
  if (direction === undefined || direction === actual) return;
  throw new CairnError('session-state', `this belongs to a ${direction}; the session is a ${actual}`);
}

/** Makes an exchange fail from outside: its body ends for its reader, and an answer that has begun is cut off. */
function endExchange(exchange: Exchange, error: CairnError): void {
  const { body, response } = exchange;
  exchange.failure = error;
  body?.abort(error);
  if (response.headersSent && !response.writableEnded) response.destroy();
}

async function inFlight(
  live: LiveSession,
  request: Omit<SessionRequest, 'done' | 'ended'>,
  work: (entry: SessionRequest) => Promise<void>,
): Promise<void> {
  let [over, tellEnded] = [(): void => undefined, (): void => undefined];
  const done = new Promise<void>((resolve) => {
    over = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    tellEnded = resolve;
  });
  const end = (error: CairnError): void => {
    request.end(error);
    tellEnded();
  };
  const entry: SessionRequest = { ...request, end, ended, done };
  const older = new Set([...live.requests].filter(({ chunk }) => chunk !== undefined));
  live.requests.add(entry);
  try {
    if (request.chunk !== undefined) await makeRoom(live, request.chunk, older);
    await work(entry);
  } catch (error) {
    live.noteFailure(error);
    throw error;
  } finally {
    live.requests.delete(entry);
    over();
  }
}

/**
 * Whoever asks for a chunk again has given up its older request, also where this side has not seen that yet. After a
 * cut, dead requests for other chunks hold the places of the living: twice the agreed number is taken, then the oldest
 * ends. What it brought is held.
 */
async function makeRoom(live: LiveSession, chunk: number, older: ReadonlySet<SessionRequest>): Promise<void> {
  const newer = new CairnError('chunk-conflict', `a newer request for chunk ${chunk} has taken over`, {
    details: { chunk },
  });
  await live.endRequests((request) => older.has(request) && request.chunk === chunk, newer);
  const [oldest] = older;
  if (older.size < 2 * live.record.value.parallel) return;
  const crowded = new CairnError('server-busy', 'more chunks were asked for at a time than was agreed');
  await live.endRequests((request) => request === oldest, crowded);
}
