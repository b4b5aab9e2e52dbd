/** The HTTPS server: its secure context, and what speaks plain HTTP to it. */
import { constants } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { ServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { TLS_FLOOR } from '../../base/tls-floor.ts';
import type { KeptTls } from '../access/kept-tls.ts';

const HANDSHAKE_TIMEOUT_MS = 30_000;

/**
 * Makes an HTTPS server. What `tls` reloads is shown to connections that are made from then on; those that are there
 * stay. Client certificates are asked for and not required: whoever has none may show a token.
 */
export function createHttpsServer(limits: ServerOptions, tls: KeptTls): Server {
  const options = {
    ...limits,
    ...contextOf(tls),
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    ...(tls.material.clientCas === undefined ? {} : { requestCert: true, rejectUnauthorized: false }),
  };
  const server = createServer(options);
  server.prependListener('secureConnection', forgetFailedVerification);
  tls.onReload(() => server.setSecureContext(contextOf(tls)));
  return server;
}

/**
 * A client certificate that is not accepted leaves an error in OpenSSL's queue, which the next read of the connection would take
 * for its own: its client would be told that it sent no HTTP, and not why it is refused. To ask for a certificate empties the queue.
 */
function forgetFailedVerification(socket: TLSSocket): void {
  if (!socket.authorized) socket.getPeerX509Certificate();
}

function contextOf({ material }: KeptTls): SecureContextOptions {
  const { cert, key, clientCas } = material;
  return {
    cert,
    key,
    ...TLS_FLOOR,
    ...(clientCas === undefined
      ? {}
      : {
          ca: clientCas.map((ca) => ca.toString()),
          // A resumed TLS session would bring the verdict over its certificate along from the past.
          secureOptions: constants.SSL_OP_NO_TICKET,
        }),
  };
}

/** Which socket is below which: Node does not tell. */
export interface SocketsOfTls {
  /** The socket below TLS of a connection whose handshake is not over. */
  plainSocketOf(secure: Duplex): Socket | undefined;
  /** The socket of TLS over one; undefined before its handshake is over. */
  secureSocketOf(plain: Socket): Duplex | undefined;
}

/** Remembers the sockets below TLS, so that whoever speaks plain HTTP to one can be answered in it. */
export function watchSockets(server: Server): SocketsOfTls {
  const inHandshake = new Map<string, Socket>();
  const secured = new WeakMap<Socket, Duplex>();
  const nameOf = ({ remoteAddress, remotePort }: Partial<Socket>): string => `${remoteAddress} ${remotePort}`;
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    inHandshake.set(name, socket);
    socket.once('close', () => {
      if (inHandshake.get(name) === socket) inHandshake.delete(name);
    });
  });
  server.on('secureConnection', (secure) => {
    const name = nameOf(secure);
    const plain = inHandshake.get(name);
    if (plain !== undefined) secured.set(plain, secure);
    inHandshake.delete(name);
  });
  return {
    plainSocketOf: (secure) => inHandshake.get(nameOf(secure as Partial<Socket>)),
    secureSocketOf: (plain) => secured.get(plain),
  };
}
