/** The pool of sockets below {@link Connection}: how they are made, and when a silent one is given up. */
import { buildConnector, Pool } from 'undici';
import { CairnError } from '../../base/errors.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** Longest silence on a socket in both directions. */
const IDLE_TIMEOUT_MS = 30_000;

/**
 * A pool of at most `connections` sockets. A socket on which no byte moves for half a minute is broken: one watch over
 * the socket itself, since undici's own clocks look at the response only and would end a slow upload.
 */
export function openPool(origin: string, options: { connections: number }): Pool {
  const connector = buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false });
  return new Pool(origin, {
    allowH2: false,
    connections: options.connections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (target: buildConnector.Options, done: buildConnector.Callback) => {
      connector(target, (...[error, socket]) => {
        if (error !== null) {
          done(error, null);
          return;
        }
        socket.setTimeout(IDLE_TIMEOUT_MS, () => {
          socket.destroy(
            new CairnError('timeout', `${origin} has been silent for ${IDLE_TIMEOUT_MS / 1000} seconds`),
          );
        });
        done(null, socket);
      });
    },
  });
}
