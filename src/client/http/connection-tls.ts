/** TLS connections of a client: which authorities it trusts, which certificate it shows, and why it gave up. */
import { createSecureContext, TLSSocket, type PeerCertificate, type SecureContext } from 'node:tls';
import { buildConnector } from 'undici';
import { TLS_FLOOR } from '../../base/tls-floor.ts';
import type { ClientTls, ClientTlsFiles } from '../options.ts';
import { certificateError } from './certificate-error.ts';

/** What a connector is told about a connection. */
export type Target = buildConnector.Options;
/** Told the socket, or why there is none. */
export type Done = buildConnector.Callback;

type Connect = (target: Target, done: Done) => void;

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
  const connect = async (target: Target, done: Done): Promise<void> => {
    try {
      const files = await tls();
      if (last?.files !== files) last = { files, connect: connectFiles(options, files) };
    } catch (error) {
      done(error as Error, null);
      return;
    }
    last.connect(target, done);
  };
  return (target, done) => void connect(target, done);
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
  const connector = buildConnector({
    timeout: timeoutMs,
    allowH2: false,
    ...TLS_FLOOR,
    rejectUnauthorized: true,
    ...own,
  });
  return (target, done) => {
    let shown: PeerCertificate | undefined;
    // undici's types do not say that its connector returns the socket.
    const socket = connector(target, (...[error, opened]) => {
      if (error === null) done(null, opened);
      else if (socket instanceof TLSSocket && isRefused(socket))
        done(certificateError(error, { peer, hostname: target.hostname, shown, hasOwnAuthority }), null);
      else done(error, null);
    }) as unknown;
    // When the error comes the certificate is gone.
    if (socket instanceof TLSSocket)
      socket.prependOnceListener('secure', () => (shown = socket.getPeerCertificate()));
  };
}

/** Node says so after a handshake that ended well with a certificate that it does not trust. */
function isRefused({ authorizationError }: TLSSocket): boolean {
  return (authorizationError as unknown) !== undefined && (authorizationError as unknown) !== null;
}
