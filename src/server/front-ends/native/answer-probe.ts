/**
 * `POST` and `GET probe`: shows what the proxies between a client and this server do to bodies. The server discards the
 * bytes. A client has to authenticate, and few may probe at a time, since a probe occupies its connection for a while.
 */
import * as v from 'valibot';
import { CairnError } from '../../../base/errors.ts';
import {
  MAX_PROBE_BYTES,
  MAX_PROBE_INTERVAL_MS,
  MAX_PROBE_PIECES,
  MAX_PROBE_SILENCE_MS,
  type ProbeReply,
} from '../../../wire/admin-messages.ts';
import { parseMessage } from '../../../wire/parse-message.ts';
import { createLimiter, type Limiter } from '../../core/limiter.ts';
import type { Access } from '../../http/authorize.ts';
import { clientSignal } from '../../http/client-signal.ts';
import { contentLengthOf, openBody, type Exchange } from '../../http/exchange.ts';
import type { Handler } from '../../http/handler.ts';
import { end, sendJson, write } from '../../http/reply.ts';

/** Probes at a time on one server. */
const AT_A_TIME = { max: 32, maxOfPrincipal: 8 };
/** Bytes of one piece of an answer: a proxy that does not buffer passes on so many at once. */
const PIECE_BYTES = 1024;
/** Least time between two arrivals that are listed apart. */
const ARRIVAL_RESOLUTION_MS = 20;
const MAX_ARRIVALS = 256;

/** Makes the handlers of probes, one for each direction. */
export function createProbeHandlers({ authenticateAnswer }: Pick<Access, 'authenticateAnswer'>): {
  readonly upload: Handler;
  readonly download: Handler;
} {
  const limiter = createLimiter(AT_A_TIME, 'probes');
  const probing =
    (probe: typeof upload): Handler =>
    async (exchange) => {
      const { principal } = await authenticateAnswer(exchange);
      await probe(limiter, exchange, principal);
    };
  return { upload: probing(upload), download: probing(download) };
}

/** Reads a body and answers when how many bytes of it arrived. */
async function upload(limiter: Limiter, exchange: Exchange, principal: string): Promise<void> {
  await limiter({ principal, signal: clientSignal(exchange) }, async () => {
    const tooLong = (): CairnError =>
      new CairnError('invalid-request', `the body of a probe has at most ${MAX_PROBE_BYTES} bytes`);
    if ((contentLengthOf(exchange) ?? 0) > MAX_PROBE_BYTES) throw tooLong();
    const startMs = performance.now();
    const arrivals: [number, number][] = [];
    let bytes = 0;
    for await (const piece of openBody(exchange)) {
      bytes += piece.byteLength;
      if (bytes > MAX_PROBE_BYTES) throw tooLong();
      const atMs = Math.round(performance.now() - startMs);
      const last = arrivals.at(-1);
      const isNew = last === undefined || atMs - last[0] >= ARRIVAL_RESOLUTION_MS;
      if (isNew && arrivals.length < MAX_ARRIVALS) arrivals.push([atMs, bytes]);
      else last![1] = bytes;
    }
    const reply: ProbeReply = { bytes, arrivals, ...hopOf(exchange) };
    await sendJson(exchange, 200, reply);
  });
}

/** How the last hop sent the request on. */
function hopOf({ request }: Exchange): Pick<ProbeReply, 'coding' | 'closes'> {
  const { httpVersionMinor: minor, headers } = request;
  const connection = (headers.connection ?? '').toLowerCase();
  return {
    coding: headers['transfer-encoding'] === undefined ? 'length' : 'chunked',
    closes: connection.includes('close') || (minor === 0 && !connection.includes('keep-alive')),
  };
}

const whole = (max: number) =>
  v.optional(v.pipe(v.string(), v.regex(/^\d{1,9}$/), v.transform(Number), v.maxValue(max)), '0');
const DownloadQuery = v.object({
  silentMs: whole(MAX_PROBE_SILENCE_MS),
  pieces: whole(MAX_PROBE_PIECES),
  everyMs: whole(MAX_PROBE_INTERVAL_MS),
});

/** Waits in silence, then answers in pieces with pauses between them. */
async function download(limiter: Limiter, exchange: Exchange, principal: string): Promise<void> {
  const query = Object.fromEntries(new URLSearchParams(exchange.query));
  const { silentMs, pieces, everyMs } = parseMessage(DownloadQuery, query, 'the query of the probe');
  await limiter({ principal, signal: clientSignal(exchange) }, async () => {
    const { response } = exchange;
    await pause(exchange, silentMs);
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': pieces * PIECE_BYTES,
    });
    response.flushHeaders();
    for (let piece = 0; piece < pieces; piece++) {
      if (piece > 0) await pause(exchange, everyMs);
      await write(exchange, new Uint8Array(PIECE_BYTES));
    }
    await end(exchange);
  });
}

/** Waits for `ms`. @throws CairnError `network` where the client leaves before */
function pause({ response }: Exchange, ms: number): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const gone = (): void => {
      clearTimeout(timer);
      reject(new CairnError('network', 'the client closed the connection'));
    };
    const timer = setTimeout(() => {
      response.off('close', gone);
      resolve();
    }, ms);
    if (response.destroyed || response.closed) gone();
    else response.once('close', gone);
  });
}
