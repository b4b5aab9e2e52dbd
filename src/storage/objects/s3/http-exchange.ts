/**
 * One request and its answer over Node's own HTTP client. undici is not used: its reader ends the process where a connection
 * closes while a slow client has it paused (undici issue 5360).
 */
import {
  Agent as HttpAgent,
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { CairnError } from '../../../base/errors.ts';

/** A request with all its headers. */
export interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly open: (() => AsyncIterable<Uint8Array>) | undefined;
}

/** The head of an answer, and its body, which has to be read or destroyed. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

/** Makes requests over connections that are kept. */
export type Exchanger = (exchange: Exchange) => Promise<Answered>;

/** Longest silence of a connection while a request goes out and its answer is waited for. */
const SILENCE_MS = 30_000;
const KEEP_MS = 20_000;
const MAX_HEADER_BYTES = 32 * 1024;
const MAX_FREE_SOCKETS = 64;

/**
 * Makes an exchanger. It throws the system error of a connection that fails, and the error of a body that cannot be read.
 *
 * @param ca certificates of the authorities to trust (PEM); undefined: those of Node
 * @param silenceMs longest silence before an answer
 */
export function createExchanger(ca: string | undefined, silenceMs = SILENCE_MS): Exchanger {
  const options = { keepAlive: true, maxFreeSockets: MAX_FREE_SOCKETS, timeout: KEEP_MS };
  const plain = new HttpAgent(options);
  const secured = new HttpsAgent({ ...options, ...(ca === undefined ? {} : { ca }) });
  return ({ method, url, headers, open }) =>
    new Promise((resolve, reject) => {
      const isPlain = url.protocol === 'http:';
      const begin = isPlain ? httpRequest : httpsRequest;
      const request = begin(url, {
        method,
        headers,
        agent: isPlain ? plain : secured,
        maxHeaderSize: MAX_HEADER_BYTES,
        timeout: silenceMs,
      });
      request.on('timeout', () => {
        request.destroy(silent(silenceMs));
      });
      request.on('error', reject);
      request.on('response', (body) => {
        // From here on the reader of the body watches over silence: it may be slow itself.
        body.socket.setTimeout(0);
        body.on('error', () => undefined);
        // An answer before the end of what is sent is a refusal: nobody takes the rest.
        body.once('end', () => {
          if (!request.writableFinished) request.destroy();
        });
        resolve({ status: body.statusCode ?? 0, headers: body.headers, body });
      });
      if (open === undefined) request.end();
      else sendBody(request, open()).catch(reject);
    });
}

/** Sends a body piece by piece; the source may use the memory of a piece again once the kernel has it. */
async function sendBody(request: ClientRequest, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const piece of pieces) {
      await new Promise<void>((resolve, reject) => {
        request.write(piece, (error) => {
          if (error === null || error === undefined) resolve();
          else reject(error);
        });
      });
    }
    request.end();
  } catch (error) {
    request.destroy();
    throw error;
  }
}

/** The text of a body, up to a bound. @throws CairnError `storage-io` for a longer one; system errors */
export async function textOfBody(body: IncomingMessage, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of withoutSilence(body)) {
    bytes += piece.byteLength;
    if (bytes > maxBytes)
      throw new CairnError('storage-io', `an answer of the store has more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/** The pieces of a body; destroys it after a silence, at its end, and where its reader stops. */
export async function* withoutSilence(body: IncomingMessage): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      const timer = setTimeout(() => {
        body.destroy(silent(SILENCE_MS));
      }, SILENCE_MS);
      // oxlint-disable-next-line no-await-in-loop -- one piece after the other
      const next = await pieces.next().finally(() => clearTimeout(timer));
      if (next.done === true) break;
      yield next.value;
    }
    if (!body.complete) throw new CairnError('network', 'an answer of the store was cut');
  } finally {
    // A body that was read to its end leaves its connection to the next request.
    if (!body.complete) body.destroy();
  }
}

function silent(milliseconds: number): CairnError {
  return new CairnError('timeout', `the other side was silent for ${milliseconds / 1000} s`);
}
