/** The HTTPS server: its secure context, and the sockets below TLS for clients that speak plain HTTP to it. */
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
 * Makes an HTTPS server. New connections use the certificates that `tls` has reloaded; existing ones stay as they are.
 * It asks for client certificates and does not require them: a client without one may show a token.
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
 * A rejected client certificate leaves an error in OpenSSL's queue. The next read of the connection would take that for
 * its own, and the client would be told that it sent no HTTP. The call for a certificate empties the queue.
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
          // A resumed TLS session would bring an old verdict over its certificate along.
          secureOptions: constants.SSL_OP_NO_TICKET,
        }),
  };
}

/** Maps sockets of TLS to the sockets below them and back, since Node does not. */
export interface SocketsOfTls {
  /** The socket below a TLS socket; undefined once the handshake is over. */
  plainSocketOf(secure: Duplex): Socket | undefined;
  /** The TLS socket over a plain one; undefined before the handshake is over. */
  secureSocketOf(plain: Socket): Duplex | undefined;
}

/** Remembers the sockets below TLS, so that a client that speaks plain HTTP gets its answer in plain HTTP. */
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
