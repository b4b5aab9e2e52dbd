/** In place of `src/client/http/http-socket.ts`, which is all that a client knows of Node's sockets and parser. */
import type { Connect } from '../../../src/client/http/connecting.ts';
import type { SocketAnswer, SocketRequest } from '../../../src/client/http/http-socket.ts';
import { ClientExchange } from '../network/client-exchange.ts';
import { ClientSocket } from '../network/client-socket.ts';
import type { Connection } from '../network/connection.ts';
import { realm } from './simulation.ts';

/** Connects to the one server of the world. */
export function plainConnector(): Connect {
  return (_target, done) => void connect(done);
}

async function connect(done: Parameters<Connect>[1]): Promise<void> {
  const { process } = realm;
  let connection: Connection;
  try {
    connection = await process.network.connect(process);
  } catch (error) {
    done(error as Error, null);
    return;
  }
  done(null, new ClientSocket(process, connection.client) as never);
}

/** One request over such a socket. */
export function requestOver(
  socket: unknown,
  request: SocketRequest,
  onFree: () => void,
): Promise<SocketAnswer> {
  return new ClientExchange(realm.process, request).start(socket as ClientSocket, onFree);
}
