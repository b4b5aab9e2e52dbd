/** Ends what runs in the name of an authorization that no longer stands: revoked, or over. */
import { CairnError } from '../base/errors.ts';
import type { ServerContext } from './server-context.ts';
import type { Authorization } from '../session/authorization.ts';
import { checkStands, EXPIRY_GRACE_MS } from './access/authenticator.ts';
import type { LiveSession } from './core/sessions/live-session.ts';
import { lastingChanges } from './core/sessions/progress.ts';

/** How often what is at work is looked at: a revoked token stops its transfers within two seconds. */
const LOOK_EVERY_MS = 500;

/**
 * Looks at the sessions that have requests in flight, and at other requests that are being answered, for as long as
 * there are any: an idle server has no timer for it. The timer does not keep the process alive.
 */
export function watchAuthorizations(context: ServerContext): { stop(): Promise<void> } {
  let running: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    context.answering.endWhere((authorization) => whyOver(context, authorization));
    const atWork = await context.live.atWork();
    for (const live of atWork) {
      const ended = endOf(context, live);
      // oxlint-disable-next-line no-await-in-loop -- few end at a time, and each of them syncs
      if (ended !== undefined) await suspendFor(context, live, ended);
    }
    timer = undefined;
    if (atWork.length > 0 || context.answering.size > 0) wake();
  };
  const wake = (): void => {
    if (isStopped || timer !== undefined) return;
    timer = setTimeout(() => {
      running = look().catch((error: unknown) => {
        timer = undefined;
        context.log.error({ err: error }, 'watching over authorizations failed');
      });
    }, LOOK_EVERY_MS);
    timer.unref();
  };
  context.live.onUse(wake);
  context.answering.onNote(wake);
  return {
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Why the authorization of a session is over; undefined while it stands. */
function endOf(context: ServerContext, { record }: LiveSession): CairnError | undefined {
  const { authorization, state } = record.value;
  if (authorization === undefined || (state !== 'open' && state !== 'establishing')) return undefined;
  return whyOver(context, authorization);
}

function whyOver(context: ServerContext, authorization: Authorization): CairnError | undefined {
  try {
    checkStands(context.authenticators, authorization, context.wallNow() - EXPIRY_GRACE_MS);
    return undefined;
  } catch (error) {
    if (error instanceof CairnError) return error;
    throw error;
  }
}

/** Ends the requests of a session and makes durable what they brought: it waits for whoever may go on with it. */
export async function suspendFor(
  context: ServerContext,
  live: LiveSession,
  error: CairnError,
): Promise<void> {
  const { id, record } = live;
  await live.endRequests(() => true, error);
  await live.exclusive(async () => {
    const { state, authorization } = record.value;
    if (state !== 'open' && state !== 'establishing') return;
    if (state === 'open') await live.content.sync();
    const changes = { ...(await lastingChanges(live)), holder: null };
    await record.change('suspend', changes, undefined, { by: authorization?.id, why: error.code });
  });
  context.log.info({ session: id, code: error.code }, 'session suspended: its authorization has ended');
}
