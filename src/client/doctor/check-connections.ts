/** Whether connections are kept between requests on both sides of a proxy, and whether they may become channels. */
import { CairnError } from '../../base/errors.ts';
import { CHANNEL_PROTOCOL } from '../../wire/message-head.ts';
import { ROUTE } from '../../wire/routes.ts';
import { call, type Server } from '../http/server-calls.ts';
import { ok, warning, type Finding } from './finding.ts';
import { sendProbe } from './probe-calls.ts';

const TO_CLIENT =
  'have the proxy keep connections (nginx: keepalive_timeout 75s, not 0, and keepalive_requests of a thousand or more)';
const TO_SERVER =
  'have the proxy keep connections to the server (nginx: proxy_http_version 1.1; proxy_set_header Connection "", and keepalive 32 in upstream)';

const SILENT_MS = 5000;

/** Makes requests one after the other, and sees who closes the connection after them. */
export async function checkConnections(server: Server, signal: AbortSignal): Promise<readonly Finding[]> {
  const check = 'connections';
  const answer = await call(server, { method: 'GET', path: '', signal });
  await answer.discard();
  const isClosed = (answer.header('connection') ?? '').toLowerCase().includes('close');
  const { closes } = await sendProbe(server, () => ({ lengthBytes: 1, pieces: [new Uint8Array(1)] }), signal);
  const ms = Math.round(server.roundTripMs);
  const findings: Finding[] = [];
  if (isClosed) {
    const handshake = server.root.protocol === 'https:' ? ' and a TLS handshake' : '';
    const message = `each answer closes its connection: every request costs a round trip more (about ${ms} ms)${handshake}`;
    findings.push(warning(check, message, TO_CLIENT));
  }
  if (closes === true) {
    const message =
      'a proxy opens a connection to the server for each request: that costs a round trip between the two each time';
    findings.push(warning(check, message, TO_SERVER));
  }
  return findings.length > 0 ? findings : [ok(check, 'connections are kept between requests')];
}

/** Asks for a channel. Without one everything works, so this is only told. */
export async function checkChannels(server: Server, signal: AbortSignal): Promise<readonly Finding[]> {
  const check = 'channels';
  if (!server.hasChannels) return [];
  const url = new URL(ROUTE.channel(), server.root);
  // A proxy that knows nothing of upgrades may as well be silent.
  const limit = AbortSignal.any([signal, AbortSignal.timeout(SILENT_MS)]);
  try {
    const request = { method: 'GET', url, signal: limit } as const;
    const { socket } = await server.connection.upgrade(request, CHANNEL_PROTOCOL);
    socket.on('error', () => undefined).destroy();
    return [ok(check, 'chunks may go over channels')];
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CairnError) && !limit.aborted) throw error;
    const message =
      'a proxy passes no upgrade on: chunks go by ordinary requests, which is a little slower (nginx: proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade")';
    return [ok(check, message)];
  }
}
