/** How sockets are opened: what a connector is told, and what it tells. */
import type { Socket } from 'node:net';

/** Where a socket goes. */
export interface Target {
  /** Name or address, without brackets. */
  readonly hostname: string;
  readonly port: number;
  /** A socket that leads there already, on which TLS is to be spoken. */
  readonly httpSocket?: Socket | undefined;
}

/** Told the socket once it is open, or why there is none. */
export type Done = (...result: [error: Error, socket: null] | [error: null, socket: Socket]) => void;

/** Opens one socket; `done` is called once. */
export type Connect = (target: Target, done: Done) => void;

/** Idle for so long, the system looks whether the other side is still there. */
const PROBE_AFTER_MS = 60_000;

/** Where the sockets for a URL go. */
export function targetOf(url: URL): Target {
  const usual = url.protocol === 'https:' ? 443 : 80;
  return {
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? usual : Number(url.port),
  };
}

/**
 * Tells when a socket that is being opened is open (`event`), when that failed, when it closed without a word
 * (`ECONNRESET`), or when it took longer than `timeoutMs` (`ETIMEDOUT`). Later errors of the socket are for the one that
 * uses it.
 */
export function whenOpen(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  timeoutMs: number,
  done: Done,
): void {
  let isSettled = false;
  const settle = (...result: Parameters<Done>): void => {
    if (isSettled) return;
    isSettled = true;
    clearTimeout(timer);
    socket.off('close', onClose);
    done(...result);
  };
  const onClose = (): void => settle(closedSilently(), null);
  const timer = setTimeout(() => {
    const late = Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' });
    socket.destroy(late);
    // One that is destroyed already says nothing more.
    settle(late, null);
  }, timeoutMs);
  socket.setNoDelay(true).setKeepAlive(true, PROBE_AFTER_MS);
  socket.once(event, () => settle(null, socket));
  socket.on('error', (error) => settle(error, null)).once('close', onClose);
  if (socket.closed) onClose();
}

/** What a socket is told to have failed with that ended without an error. */
export function closedSilently(): NodeJS.ErrnoException {
  return Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
}
