/** Requests that only say what the way to a server does to them. */
import { ProbeReply } from '../../wire/admin-messages.ts';
import { zeros } from '../../transfer/excluded-entries.ts';
import { ROUTE } from '../../wire/routes.ts';
import type { HttpResponse, RequestBody } from '../http/http-message.ts';
import { call, callJson, type Server } from '../http/server-calls.ts';

const TYPE = 'application/octet-stream';

/** Sends a body that the server does not keep. @throws CairnError what became of it */
export function sendProbe(
  server: Server,
  body: Omit<RequestBody, 'type'> | (() => Omit<RequestBody, 'type'>),
  signal: AbortSignal,
): Promise<ProbeReply> {
  return server.access.run((headers) => {
    const sent = typeof body === 'function' ? body() : body;
    return callJson(server, ProbeReply, 'the answer to a probe', {
      method: 'POST',
      path: ROUTE.probe(),
      body: { type: TYPE, ...sent },
      headers,
      signal,
    });
  });
}

/** Asks for an answer after a silence, in pieces. The caller reads its body. @throws CairnError */
export function fetchProbe(
  server: Server,
  wanted: { readonly silentMs?: number; readonly pieces: number; readonly everyMs?: number },
  signal: AbortSignal,
): Promise<HttpResponse> {
  const { silentMs = 0, pieces, everyMs = 0 } = wanted;
  const path = `${ROUTE.probe()}?silentMs=${silentMs}&pieces=${pieces}&everyMs=${everyMs}`;
  return server.access.run((headers) => call(server, { method: 'GET', path, headers, signal }));
}

/** A body of so many zero bytes, which the server does not keep. */
export function emptyBody(lengthBytes: number): Omit<RequestBody, 'type'> {
  return { lengthBytes, pieces: zeros(lengthBytes) };
}
