/** What a failure below HTTP means. */
import { CairnError, systemCodeOf } from '../../base/errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ERR_STREAM_DESTROYED: 'the connection was closed',
  ENOTFOUND: 'there is no such host; check the name in the URL',
  EAI_AGAIN: 'the name of the host cannot be looked up now',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENETDOWN: 'the network is down',
};

const TIMEOUTS = new Set(['ETIMEDOUT']);
/** What listens there does not speak TLS at all. */
const NO_TLS = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_UNKNOWN_PROTOCOL',
]);
/** It does, and both sides have nothing in common. Until OpenSSL 3.4 an alert is named by a version, from 3.5 on by `SSL/TLS`. */
const NO_COMMON_TLS =
  /^ERR_SSL_(?:UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|(?:TLSV\d+|SSLV\d+|SSL\/TLS)_(?:ALERT_)?(?:PROTOCOL_VERSION|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|NO_APPLICATION_PROTOCOL|UNRECOGNIZED_NAME))$/;
/** What a server says that wants a client certificate, or another one. */
const NO_CLIENT_CERTIFICATE =
  /^ERR_SSL_(?:TLSV\d+|SSLV\d+|SSL\/TLS)_(?:ALERT_)?(?:CERTIFICATE_REQUIRED|UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED|CERTIFICATE_UNKNOWN|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)$/;
/** Our own wrong use of Node's client. */
const MISUSE = /^ERR_(?:INVALID_|HTTP_|UNESCAPED_|ASSERTION)/;

const TLS_FAILURE = /^(?:EPROTO$|ERR_SSL_|ERR_TLS_)/;
/** The name server says that there is no such host. */
const NO_HOST = new Set<unknown>(['ENOTFOUND', 'EAI_FAIL', 'EAI_NONAME']);

/** Whether a failure to connect will hardly be another one in a while: there is no such host, or TLS comes to nothing. */
export function isHopeless({ code, details }: CairnError): boolean {
  const { systemCode } = details;
  return code === 'network' && (NO_HOST.has(systemCode) || TLS_FAILURE.test(String(systemCode)));
}

/**
 * Whether something else than the cairn server has answered, and not that the server is away (5xx): another server has
 * taken its place, for good unless it is being started anew.
 */
export function isForeign({ code, details }: CairnError): boolean {
  return code === 'network' && details['isForeign'] === true;
}

/**
 * Wraps what a socket, or Node's HTTP client, threw. A {@link CairnError} is passed through.
 *
 * @param peer who is at the other end: an origin, or a proxy
 * @param hasSpokenHttp whether it has answered before: then an answer that is no HTTP was spoiled on its way
 * @returns CairnError `network`, `timeout`; `not-a-cairn-server` for an answer that is no HTTP; `unauthenticated` where a
 * client certificate is missing
 */
export function networkError(error: unknown, peer: string, hasSpokenHttp = false): CairnError {
  const known = cairnErrorIn(error);
  if (known !== undefined) return known;
  const code = codeOf(error) ?? 'unknown';
  const options = { cause: error, details: { systemCode: code } };
  if (TIMEOUTS.has(code)) return new CairnError('timeout', `${peer} does not answer`, options);
  if (MISUSE.test(code))
    return new CairnError('internal', `the request to ${peer} was wrong (${code})`, options);
  if (NO_CLIENT_CERTIFICATE.test(code)) {
    const message = `${peer} wants a client certificate, or another one (${code}): see --tls-client-cert and --tls-client-key`;
    return new CairnError('unauthenticated', message, options);
  }
  // A header that is cut by the end of the connection is a broken network; one that is no HTTP is another service.
  const isNoHttp = code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE';
  if (isNoHttp && hasSpokenHttp)
    return new CairnError('network', `what came from ${peer} was changed on its way (${code})`, options);
  if (isNoHttp) {
    const what = isTlsAlert(error)
      ? 'speaks TLS: write https:// instead of http://'
      : 'does not speak HTTP/1.1; if it speaks TLS, write https:// instead of http://';
    return new CairnError('not-a-cairn-server', `the server at ${peer} ${what}`, options);
  }
  const reason = REASONS[code] ?? (TLS_FAILURE.test(code) ? `the TLS handshake failed (${code})` : code);
  return new CairnError('network', `no connection to ${peer}: ${reason}`, options);
}

/**
 * What the failure of a first TLS handshake means; what may be an accident of the line is passed through.
 *
 * @returns CairnError `not-a-cairn-server`, or the error itself
 */
export function handshakeError(error: Error, peer: string): Error {
  const code = codeOf(error) ?? 'unknown';
  const options = { cause: error, details: { systemCode: code } };
  if (NO_TLS.has(code)) {
    const advice =
      'if it is a server without TLS, and you trust the network, write http:// instead of https://';
    return new CairnError(
      'not-a-cairn-server',
      `the server at ${peer} does not speak TLS: ${advice}`,
      options,
    );
  }
  if (!NO_COMMON_TLS.test(code)) return error;
  const message = `cairn and ${peer} have no TLS version from 1.2 on, or no cipher, in common (${code})`;
  return new CairnError('not-a-cairn-server', message, options);
}

/** Alerts are records of type 21 and major version 3; the parser keeps the bytes that it did not understand. */
function isTlsAlert(error: unknown): boolean {
  const bytes: unknown = error instanceof Error && 'rawPacket' in error ? error.rawPacket : undefined;
  return bytes instanceof Uint8Array && bytes[0] === 0x15 && bytes[1] === 3;
}

/** Attempts at several addresses end in one AggregateError, whose first member says why. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && systemCodeOf(error) === undefined)
    return systemCodeOf(error.errors[0]);
  return systemCodeOf(error);
}

/** A CairnError that ended a socket comes back inside of what Node makes of it. */
function cairnErrorIn(error: unknown): CairnError | undefined {
  if (error instanceof CairnError) return error;
  return error instanceof Error && error.cause instanceof CairnError ? error.cause : undefined;
}
