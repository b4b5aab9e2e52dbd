/** How long an answer may keep one waiting before something on the way gives up. */
import { CairnError } from '../../base/errors.ts';
import type { Server } from '../http/server-calls.ts';
import { failed, ok, problem, warning, type Finding } from './finding.ts';
import { fetchProbe } from './probe-calls.ts';

/** A server lets its clients wait for about five seconds while it publishes; with less than this they ask in vain. */
const NEEDED_MS = 10_000;
/** What many proxies have. */
const USUAL_PATIENCE_MS = 60_000;
const REMEDY = 'raise the idle timeout of the proxy to more than a minute (nginx: proxy_read_timeout 75s)';

/** Has the server say nothing for a while. */
export async function checkSilence(
  server: Server,
  silentMs: number,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const startMs = performance.now();
  try {
    const response = await fetchProbe(server, { silentMs, pieces: 1 }, signal);
    await response.discard();
    const untried =
      silentMs < USUAL_PATIENCE_MS ? '; a longer one was not tried: --thorough tries more than a minute' : '';
    return [ok('silence', `a silence of ${silentMs / 1000} s cuts no connection${untried}`)];
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CairnError)) throw error;
    const tookMs = performance.now() - startMs;
    // Too early for a timeout: the request itself was refused.
    if (tookMs < 1000) return [failed('silence', error)];
    const message = `a connection is cut after ${Math.round(tookMs / 1000)} s of silence`;
    if (tookMs < NEEDED_MS) return [problem('silence', 'timeout', message, REMEDY)];
    return [
      warning(
        'silence',
        `${message}: while a large tree is published, the client has to connect again and again`,
        REMEDY,
      ),
    ];
  }
}
