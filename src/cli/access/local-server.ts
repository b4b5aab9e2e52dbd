/**
 * The server of this user on this machine that a URL reaches, and proof that it does. A registry says where it listens; who
 * really does is another question: the port may belong to another user by now, or on another loopback address.
 */
import type { Socket } from 'node:net';
import type { SocketGuard } from '../../client/api/reach.ts';
import { CairnError } from '../../base/errors.ts';
import { askForProof } from '../../client/http/challenge.ts';
import { endsOf, isSameProof, localProof, newLocalSecret, plainAddress } from '../../wire/server-proof.ts';
import { findServers, type ServerRegistration } from './server-registry.ts';

/** Such a server. */
export interface LocalServer {
  /** Looks at each new socket; one that must be the server's and does not prove it is refused. */
  readonly guard: SocketGuard;
  /**
   * Where the server has registered, if it has at the address that was reached. From then on each socket must be its own:
   * those that have not proved it are closed.
   */
  find(): Promise<ServerRegistration | undefined>;
}

/** Watches over the sockets to a URL of this machine. */
export function localServer(stateHome: string, url: URL): LocalServer {
  const unproven = new Set<Socket>();
  let proven: ServerRegistration | undefined;
  let mustProve = false;
  const servers = (): Promise<readonly ServerRegistration[]> => findServers(stateHome, url);
  return {
    guard: async (socket) => {
      const candidates = (await servers()).filter((server) => listensAt(server, socket));
      const server = candidates.length === 0 ? undefined : await prove(socket, url, candidates);
      if (server !== undefined) {
        proven = server;
        return;
      }
      if (mustProve) throw stranger(url);
      unproven.add(socket);
      socket.once('close', () => unproven.delete(socket));
    },
    find: async () => {
      const sockets = [...unproven];
      const isReached = (server: ServerRegistration): boolean =>
        mustProve || sockets.some((socket) => listensAt(server, socket));
      const found = await servers();
      const server = found.find(({ key }) => key === proven?.key) ?? found.find(isReached);
      if (server === undefined) return undefined;
      mustProve = true;
      for (const socket of unproven) socket.destroy();
      return server;
    },
  };
}

async function prove(
  socket: Socket,
  url: URL,
  candidates: readonly ServerRegistration[],
): Promise<ServerRegistration | undefined> {
  const challenge = newLocalSecret();
  const proof = await askForProof(socket, url.host, challenge);
  if (proof === undefined) return undefined;
  const { here: client, there: server } = endsOf(socket);
  return candidates.find(({ key }) => isSameProof(proof, localProof(key, challenge, { client, server })));
}

/** Whether a server has registered the address that a socket leads to, or all of its kind. */
function listensAt({ host, port }: ServerRegistration, socket: Socket): boolean {
  const address = plainAddress(socket.remoteAddress ?? '');
  if (socket.remotePort !== port) return false;
  return host === '::' || (host === '0.0.0.0' ? !address.includes(':') : plainAddress(host) === address);
}

function stranger({ origin }: URL): CairnError {
  return new CairnError(
    'network',
    `the process that now listens at ${origin} could not prove that it is the server of this user; no token and no file was sent to it`,
  );
}
