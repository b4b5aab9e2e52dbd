/** Answers on bare sockets, where there is no request to answer. */
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { CairnError } from '../../base/errors.ts';
import { problemOf, PROBLEM_TYPE } from '../../wire/problem.ts';

/** How long the other side may take to read its answer. */
const ANSWER_MS = 1000;

/** Answers on a bare socket, discards what still arrives, and destroys it when the answer is out, or after a second. */
export function refuseSocket(
  socket: Duplex,
  error: CairnError,
  status: number,
  headers: readonly string[] = [],
): void {
  socket.on('error', () => undefined); // the socket is given up in any case
  const timer = setTimeout(() => socket.destroy(), ANSWER_MS);
  socket.once('close', () => clearTimeout(timer));
  // Unread bytes would reset the connection before the answer was read.
  socket.resume();
  const body = JSON.stringify({ ...problemOf(error), status });
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      `Content-Type: ${PROBLEM_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...headers,
      ...(status === 503 ? ['Retry-After: 1'] : []),
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
    () => socket.destroy(),
  );
}
