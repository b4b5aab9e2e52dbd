/** Ends the session of an earlier run that nobody will go on with. */
import type { SessionGrant } from '../../wire/messages.ts';
import type { Server } from '../http/server-calls.ts';
import { abortSession, resumeSession } from './session-calls.ts';
import { FAREWELL_MS } from './session-client.ts';

/** One try, within a short time: what fails here is freed when its lease ends. */
export async function giveUpSession(
  { server }: { readonly server: Server },
  { session, credential }: SessionGrant,
): Promise<void> {
  const signal = AbortSignal.timeout(FAREWELL_MS);
  try {
    const grant = await resumeSession(server, { session, credential }, {}, signal);
    await abortSession({ server, grant, signal });
  } catch {
    // A courtesy: the server frees it in the end.
  }
}
