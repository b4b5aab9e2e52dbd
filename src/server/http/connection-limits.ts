/** How many connections there may be, in all and of one network address. */
import type { Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { CairnError } from '../../base/errors.ts';
import { addressKey } from '../auth/address-key.ts';
import type { ServerLimits } from '../limits.ts';
import type { Refusals } from '../refusals.ts';

/** Refused connections that still get their answer at a time; what is beyond is only closed. */
const MAX_ANSWERED = 64;

/** What limits connections, and who is told when they do. */
export interface ConnectionLimits {
  readonly limits: ServerLimits;
  readonly refusals: Refusals;
  /** Behind one address of these there are many clients. */
  readonly isTrustedProxy: (address: string) => boolean;
}

/** Answers on a bare socket, and ends it. */
type Refuse = (socket: Socket, error: CairnError) => void;

/**
 * Lets only so many connections through to the server; the others are answered with 503, where `refuse` is given, and
 * closed.
 */
export function limitConnections(
  server: Server | SecureServer,
  { limits, refusals, isTrustedProxy }: ConnectionLimits,
  refuse: Refuse | undefined,
): void {
  const { maxConnections, maxConnectionsPerAddress } = limits;
  const ofAddress = new Map<string, number>();
  let all = 0;
  let answered = 0;
  const turnAway = (socket: Socket, error: CairnError): void => {
    if (refuse === undefined || answered >= MAX_ANSWERED) {
      socket.destroy();
      return;
    }
    answered += 1;
    socket.once('close', () => (answered -= 1));
    refuse(socket, error);
  };
  // Node lets a server be given its connections by emitting this event; here some are not passed on.
  const serve = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    // Whatever becomes of it: an error that nobody listens for would end the process.
    socket.on('error', () => undefined);
    const address = socket.remoteAddress ?? 'unknown';
    const key = addressKey(address);
    const count = ofAddress.get(key) ?? 0;
    const limit =
      all >= maxConnections
        ? 'connections'
        : count >= maxConnectionsPerAddress && !isTrustedProxy(address)
          ? 'connections-per-address'
          : undefined;
    if (limit !== undefined) {
      refusals.note(limit, { address });
      turnAway(socket, tooMany(limit));
      return;
    }
    all += 1;
    ofAddress.set(key, count + 1);
    socket.once('close', () => {
      all -= 1;
      const left = ofAddress.get(key)! - 1;
      if (left === 0) ofAddress.delete(key);
      else ofAddress.set(key, left);
    });
    for (const listener of serve) listener.call(server, socket);
  });
}

function tooMany(limit: 'connections' | 'connections-per-address'): CairnError {
  const whose = limit === 'connections' ? 'the server' : 'this address';
  return new CairnError('server-busy', `${whose} has as many connections as it may have`, {
    details: { limit },
  });
}
