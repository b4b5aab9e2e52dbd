/** Ends sessions that nothing will go on with. */
import type { Server } from '../http/server-calls.ts';
import type { SessionTerms } from '../../wire/messages.ts';
import { abortSession, resumeSession } from './session-calls.ts';
import { FAREWELL_MS, type SessionClient } from './session-client.ts';

/** One try, within a short time: what fails here is freed when its lease ends. */
export async function giveUpSession(
  { server }: { readonly server: Server },
  { session, credential }: SessionTerms,
): Promise<void> {
  const signal = AbortSignal.timeout(FAREWELL_MS);
  try {
    const terms = await resumeSession(server, { session, credential }, {}, signal);
    await abortSession({ server, terms, signal });
  } catch {
    // A courtesy: the server frees it in the end.
  }
}

/** Does work before which nothing was moved that is worth coming back for: where it fails, the session is freed at once. */
export async function orAbandon<Result>(
  session: SessionClient,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await session.abandon();
    throw error;
  }
}
