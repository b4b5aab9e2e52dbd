/**
 * HTTP/1.1 over a socket that is there already: the only user of Node's HTTP client for requests. Interim answers (1xx),
 * asked for or not, are passed over (RFC 9110, section 15.2).
 */
import { request as startRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { BodySource } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import { incomingBody } from '../../base/incoming-body.ts';
import { closedSilently, whenOpen, type Connect } from './connecting.ts';

/** One request. */
export interface SocketRequest {
  readonly method: string;
  readonly path: string;
  /** All of them, `host` and what the body needs included. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?:
    | { readonly lengthBytes: number; readonly pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array> }
    | undefined;
  /** Ends the socket; its reason is what the request, or its answer, fails with. */
  readonly signal: AbortSignal;
  /** Whether the other side may switch to another protocol. */
  readonly isUpgrade?: boolean;
}

/** The answer to it. */
export interface SocketAnswer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: BodySource;
  /** The socket, and what came behind the head, of an answer that switches to another protocol; undefined for any other. */
  readonly switched: { readonly socket: Socket; readonly early: Uint8Array } | undefined;
  /** What has broken the connection since; undefined where nothing has. */
  failure(): unknown;
  /** The caller reads no further: a socket whose answer was not read to its end is closed. */
  end(): void;
}

/** Opens sockets without TLS. */
export function plainConnector(timeoutMs: number): Connect {
  return ({ hostname, port }, done) => {
    whenOpen(connect({ host: hostname, port }), 'connect', timeoutMs, done);
  };
}

/**
 * Makes a request over a socket that belongs to it until `onFree` is called, after which another may follow, or until it
 * is closed.
 *
 * @throws what broke the connection, or what the body or the signal says
 */
export function requestOver(
  socket: Socket,
  request: SocketRequest,
  onFree: () => void,
): Promise<SocketAnswer> {
  return new Promise((resolve, reject) => {
    const { method, path, headers, body, signal, isUpgrade = false } = request;
    if (socket.destroyed) throw Object.assign(new Error('the socket is closed'), { code: 'EPIPE' });
    const outgoing = startRequest({
      method,
      path,
      headers: { connection: 'keep-alive', ...headers },
      setHost: false,
      createConnection: () => socket,
    });
    const state: State = { socket, outgoing, failure: undefined, isAnswered: false, isSent: false };
    const abort = (): void => end(state, asError(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    // Node says so to its own pools when both the request and its answer are over.
    socket.once('free', onFree);
    const fail = (error: unknown): void => {
      state.failure ??= error;
      reject(error);
    };
    outgoing.on('error', fail);
    // Node says nothing else of an answer that switches to a protocol without having been asked to.
    outgoing.once('close', () => {
      signal.removeEventListener('abort', abort);
      if (!state.isAnswered) fail(closedSilently());
    });
    outgoing.once('response', (incoming) => {
      state.isAnswered = true;
      resolve(answerOf(state, incoming));
    });
    if (isUpgrade)
      outgoing.once('upgrade', (incoming, _socket, early) => {
        state.isAnswered = true;
        resolve(answerOf(state, incoming, { socket, early }));
      });
    if (signal.aborted) abort();
    if (body === undefined) {
      state.isSent = true;
      outgoing.end();
    } else void send(state, body);
  });
}

interface State {
  readonly socket: Socket;
  readonly outgoing: ClientRequest;
  failure: unknown;
  isAnswered: boolean;
  /** Whether the socket was given all of the request. */
  isSent: boolean;
}

/** The reason of a signal as what a stream can be destroyed with. */
function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** Each piece has left this process before the next is asked for: its source may then use the memory again. */
async function send(
  state: State,
  { lengthBytes, pieces }: NonNullable<SocketRequest['body']>,
): Promise<void> {
  const { outgoing } = state;
  let wake = (): void => undefined;
  outgoing.once('close', () => wake());
  let leftBytes = lengthBytes;
  try {
    for await (const piece of pieces) {
      // The other side has said what it thinks of it: the rest is not wanted.
      if (outgoing.destroyed || (state.isAnswered && leftBytes > 0)) return;
      leftBytes -= piece.byteLength;
      // It would be read as the beginning of the next request.
      if (leftBytes < 0) throw unlike('more');
      if (leftBytes === 0) state.isSent = true;
      await new Promise<void>((resolve) => {
        wake = resolve;
        outgoing.write(piece, () => resolve());
      });
    }
    if (leftBytes > 0) throw unlike('fewer');
    state.isSent = true;
    outgoing.end();
  } catch (error) {
    end(state, error as Error);
  }
}

function unlike(than: 'more' | 'fewer'): CairnError {
  return new CairnError('internal', `a body has ${than} bytes than announced`);
}

/** Node throws away what it has of an answer whose request is destroyed, and then calls it whole. */
function end({ socket, outgoing, isAnswered }: State, error: Error): void {
  if (isAnswered) socket.destroy(error);
  else outgoing.destroy(error);
}

function answerOf(
  state: State,
  incoming: IncomingMessage,
  switched?: SocketAnswer['switched'],
): SocketAnswer {
  const { socket } = state;
  const { statusCode = 0, headers } = incoming;
  incoming.on('error', () => undefined); // told by the request, and to the reader as a cut
  incoming.once('end', () => {
    // Nothing may follow a request of which a part is missing.
    if (!state.isSent) socket.destroy();
  });
  return {
    status: statusCode,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: incomingBody(incoming),
    switched,
    failure: () => state.failure,
    end: () => {
      if (!incoming.readableEnded || !state.isSent) socket.destroy();
    },
  };
}
