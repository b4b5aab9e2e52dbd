/** TLS connections of a client: which authorities it trusts, which certificate it shows, and why it gave up. */
import { isIP } from 'node:net';
import type { ClientTls, ClientTlsFiles } from '../api/reach.ts';
import {
  connect,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { TLS_FLOOR } from '../../base/tls-floor.ts';
import { certificateError } from './certificate-error.ts';
import { whenOpen, type Connect, type Done, type Target } from './connecting.ts';

/** How {@link tlsConnector} connects. */
export interface TlsConnectorOptions {
  /** Who is connected to, for errors. */
  readonly peer: string;
  readonly timeoutMs: number;
  /** Asked before each connection, since files may be exchanged while a transfer runs; Node's own, where undefined. */
  readonly tls: ClientTls | undefined;
}

/**
 * Makes a function that opens TLS connections, on a socket that is there already where the target has one. A certificate
 * that is not trusted ends the connection before anything is sent.
 *
 * @returns errors are CairnError `certificate-untrusted`, or what Node reports
 */
export function tlsConnector(options: TlsConnectorOptions): Connect {
  const { tls } = options;
  if (tls === undefined) return connectWith(options, {}, false);
  let last: { files: ClientTlsFiles; connect: Connect } | undefined;
  const connectWithFiles = async (target: Target, done: Done): Promise<void> => {
    try {
      const files = await tls();
      if (last?.files !== files) last = { files, connect: connectFiles(options, files) };
    } catch (error) {
      done(error as Error, null);
      return;
    }
    last.connect(target, done);
  };
  return (target, done) => void connectWithFiles(target, done);
}

function connectFiles(options: TlsConnectorOptions, files: ClientTlsFiles): Connect {
  const { ca, cert, key } = files;
  const secureContext = createSecureContext({
    ...TLS_FLOOR,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  });
  return connectWith(options, { secureContext }, ca !== undefined);
}

function connectWith(
  { peer, timeoutMs }: TlsConnectorOptions,
  own: { secureContext?: SecureContext },
  hasOwnAuthority: boolean,
): Connect {
  /** A handshake with what the last one has left costs both sides less. */
  let session: Buffer | undefined;
  return ({ hostname, port, httpSocket }, done) => {
    const socket = connect({
      ...(httpSocket === undefined ? { host: hostname, port } : { socket: httpSocket }),
      // A name is sent only where there is one (RFC 6066); the certificate is for the address otherwise.
      ...(isIP(hostname) === 0 ? { servername: hostname } : { host: hostname }),
      ALPNProtocols: ['http/1.1'],
      ...TLS_FLOOR,
      rejectUnauthorized: true,
      session,
      ...own,
    });
    let shown: PeerCertificate | undefined;
    // When the error comes the certificate is gone.
    socket.prependOnceListener('secure', () => (shown = socket.getPeerCertificate(true)));
    // Whose name was not checked may not be trusted the next time for what it has left.
    let [isTrusted, left]: [boolean, Buffer | undefined] = [false, undefined];
    socket.on('session', (next) => {
      left = next;
      if (isTrusted) session = next;
    });
    whenOpen(socket, 'secureConnect', timeoutMs, (...[error, opened]) => {
      if (error === null) {
        isTrusted = true;
        session = left ?? session;
        done(null, opened);
      } else if (isRefused(socket))
        done(certificateError(error, { peer, hostname, shown, hasOwnAuthority }), null);
      else done(error, null);
    });
  };
}

/** Node says so after a handshake that ended well with a certificate that it does not trust. */
function isRefused({ authorizationError }: TLSSocket): boolean {
  return (authorizationError as unknown) !== undefined && (authorizationError as unknown) !== null;
}
