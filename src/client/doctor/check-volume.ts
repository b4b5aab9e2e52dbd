/** How much a connection carries before something on the way cuts it. */
import { CairnError } from '../../base/errors.ts';
import type { Server } from '../http/server-calls.ts';
import { ok, warning, type Finding } from './finding.ts';
import { sendProbe, emptyBody } from './probe-calls.ts';

const MIB = 1024 * 1024;
const BODY_BYTES = 8 * MIB;
const BODIES = 8;
/** On a slow line that is enough of it. */
const ENOUGH_MS = 20_000;
/** One cut may be an accident. */
const CUTS = 2;

/** What was sent over one connection. */
interface Sent {
  readonly bytes: number;
  readonly isCut: boolean;
}

/**
 * Sends bodies of the usual size over one connection, one after the other, as long as it lasts.
 *
 * @throws CairnError what becomes of a body, unless it is cut; the signal's reason
 */
export async function checkVolume(server: Server, signal: AbortSignal): Promise<readonly Finding[]> {
  let most = 0;
  for (let cuts = 0; cuts < CUTS; cuts += 1) {
    // oxlint-disable-next-line no-await-in-loop -- the second is sent only where the first is cut
    const { bytes, isCut } = await sendUntilCut(server, signal);
    if (!isCut) return [ok('connections', `${bytes / MIB} MiB arrive over one connection`)];
    most = Math.max(most, bytes);
  }
  const message = `a connection is cut before it has carried ${most / MIB + BODY_BYTES / MIB} MiB: a transfer goes on over another one each time`;
  const remedy = 'have the proxy or firewall on the way set no limit of bytes for one connection';
  return [warning('connections', message, remedy)];
}

async function sendUntilCut(server: Server, signal: AbortSignal): Promise<Sent> {
  const startMs = performance.now();
  let bytes = 0;
  for (let body = 0; body < BODIES; body += 1) {
    const isEnough = (performance.now() - startMs) * (1 + 1 / Math.max(1, body)) > ENOUGH_MS;
    if (isEnough) break;
    try {
      // oxlint-disable-next-line no-await-in-loop -- all go over the same connection
      await sendProbe(server, () => emptyBody(BODY_BYTES), signal);
      bytes += BODY_BYTES;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof CairnError) || error.code !== 'network') throw error;
      return { bytes, isCut: true };
    }
  }
  return { bytes, isCut: false };
}
