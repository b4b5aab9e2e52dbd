/** Answers input that is no HTTP request, unless the client could take that for the answer that is under way. */
import type { Duplex } from 'node:stream';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import type { LimitName, Refusals } from './refusals.ts';
import { refuseSocket } from './refuse-socket.ts';
import type { Turns } from './turns.ts';

/** Input that Node could not parse, and its sockets. */
export interface Broken {
  readonly error: Error;
  readonly socket: Duplex;
  /** The socket below TLS, where its handshake is not over. */
  readonly plain: Duplex | undefined;
}

/** Answers input that is no request and ends its connection; the server reads nothing more of it. */
export function answerBroken({ error, socket, plain }: Broken, turns: Turns, refusals: Refusals): void {
  socket.on('error', () => undefined); // it is ended in any case
  const system = systemCodeOf(error);
  turns.release(socket);
  if (system === 'ERR_SSL_HTTP_REQUEST' && plain?.writable === true) {
    refusePlain(plain, socket);
    return;
  }
  // Before the end of its handshake a client of TLS can read no answer.
  if (system === 'ECONNRESET' || !socket.writable || plain !== undefined) {
    socket.destroy();
    return;
  }
  const { limit, status, told } = kindOf(system);
  if (limit !== undefined) refusals.note(limit);
  const { whole, incomplete } = turns.pending(socket);
  if (whole !== undefined) whole.response.once('close', () => refuseSocket(socket, told, status));
  else if (incomplete?.response.headersSent === true) socket.destroy();
  else refuseSocket(socket, told, status);
}

/** Answers plain HTTP on a port of TLS as RFC 2817 says, without a look at the request. */
function refusePlain(plain: Duplex, secure: Duplex): void {
  const error = new CairnError('invalid-request', 'this port speaks TLS: write https:// instead of http://');
  plain.once('close', () => secure.destroy());
  refuseSocket(plain, error, 426, ['Upgrade: TLS/1.2, HTTP/1.1']);
}

/** The answer, and the limit that the input broke, if any. */
function kindOf(system: string | undefined): { limit?: LimitName; status: number; told: CairnError } {
  if (system === 'HPE_HEADER_OVERFLOW') {
    const told = new CairnError('invalid-request', 'the headers of the request are too long');
    return { limit: 'header-size', status: 431, told };
  }
  if (system === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const told = new CairnError('timeout', 'the headers of the request took too long');
    return { limit: 'headers-time', status: 408, told };
  }
  return { status: 400, told: new CairnError('invalid-request', 'this is no HTTP request') };
}
