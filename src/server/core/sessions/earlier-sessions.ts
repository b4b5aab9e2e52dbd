/** Finds and resumes sessions that exist: by id, by the transfer, or by an earlier try of the same request. */
import { CairnError } from '../../../base/errors.ts';
import { isLeaseOver, type SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { SessionTerms } from '../../../wire/messages.ts';
import { checkPrincipal } from './admission.ts';
import type { Commits } from './commits.ts';
import type { Ending } from './ending.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { Resume, Resuming } from './resuming.ts';
import type { SessionTimes } from './session-times.ts';
import { resumingOf, type SessionWish } from './session-wish.ts';

/** The stores of earlier sessions, and the functions that resume them. */
export interface EarlierOptions {
  readonly sessions: Pick<SessionStore, 'get' | 'find'>;
  readonly live: Pick<LiveSessions, 'use'>;
  readonly times: Pick<SessionTimes, 'now' | 'isJudging'>;
  readonly refuseExpired: Ending['refuseExpired'];
  readonly resume: Resume;
  readonly resumeCommit: Commits['resume'];
}

/** Finds earlier sessions, and resumes them. */
export interface EarlierSessions {
  /** Resumes a session by its id. @throws CairnError `session-not-found`, `session-expired`; like {@link Resume} */
  byId(id: string, resuming: Resuming): Promise<SessionTerms>;
  /** Resumes the unfinished session of the same transfer, where there is one. @throws CairnError like {@link Resume} */
  unfinished(wish: SessionWish): Promise<SessionTerms | undefined>;
  /**
   * The session of an earlier try of the same request whose answer was lost, as new as without that try.
   *
   * @throws CairnError `invalid-request` where the id was used for another transfer; like {@link Resume}
   */
  answered(wish: SessionWish, id: string): Promise<SessionTerms | undefined>;
}

/** Makes the functions that find the earlier sessions of one server. */
export function createEarlierSessions(options: EarlierOptions): EarlierSessions {
  const { sessions, live, refuseExpired, resume, resumeCommit } = options;
  return {
    byId: (id, resuming) =>
      live.use(id, async (session) => {
        checkPrincipal(session, resuming.authorization.principal);
        await refuseExpired(session);
        return resume(session, resuming);
      }),
    unfinished: async (wish) => {
      const record = await findUnfinished(options, wish);
      if (record === undefined) return undefined;
      return live.use(record.id, async (session) => {
        // It may have ended since it was found, or while it was resumed.
        if (isTerminal(session.record.value.state)) return undefined;
        const terms = await resume(session, resumingOf(wish));
        // This client lost what it needs to repeat the commit, and can only wait for its end.
        if (terms.state === 'committing') await session.exclusive(() => resumeCommit(session));
        return terms.state === 'committed' ? undefined : terms;
      });
    },
    answered: async (wish, id) => {
      const record = await sessions.get(id);
      if (record === undefined) return undefined;
      if (record.pass.direction !== wish.request.direction || record.target !== wish.target) {
        throw new CairnError('invalid-request', 'the request id was used for another transfer');
      }
      return live.use(id, async (session) => {
        await refuseExpired(session);
        return { ...(await resume(session, resumingOf(wish))), resumed: false };
      });
    },
  };
}

async function findUnfinished(
  { sessions, times }: Pick<EarlierOptions, 'sessions' | 'times'>,
  { target, authorization, request }: SessionWish,
): Promise<SessionRecord | undefined> {
  const { direction, manifestId, otherManifestIds = [], preserveModes = false } = request;
  const { principal } = authorization;
  if (manifestId === undefined) return undefined;
  const found: SessionRecord[] = [];
  for (const id of [manifestId, ...otherManifestIds])
    found.push(...(await sessions.find({ principal, direction, target, manifestId: id })));
  return found.find(
    (candidate) =>
      (candidate.pass.preserveModes ?? false) === preserveModes &&
      (!times.isJudging() || !isLeaseOver(candidate, times.now())),
  );
}
