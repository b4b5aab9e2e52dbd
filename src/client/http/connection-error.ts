/** What a failure below HTTP means. */
import { CairnError, systemCodeOf } from '../../base/errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  UND_ERR_SOCKET: 'the connection was closed',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up now',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENETDOWN: 'the network is down',
};

const TIMEOUTS = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
]);
/** What OpenSSL and Node report of certificates that are not to be trusted. */
const CERTIFICATE = /^(?:CERT_|ERR_TLS_CERT|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH)/;
/** Our own wrong use of undici. */
const MISUSE = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_NOT_SUPPORTED',
]);

/**
 * Wraps what undici threw. A {@link CairnError} is passed through.
 *
 * @returns CairnError `network`, `timeout`; `not-a-cairn-server` for what is no HTTP or has no certificate to trust
 */
export function networkError(error: unknown, origin: string): CairnError {
  const known = cairnErrorIn(error);
  if (known !== undefined) return known;
  const code = codeOf(error) ?? 'unknown';
  const options = { cause: error, details: { systemCode: code } };
  if (TIMEOUTS.has(code)) return new CairnError('timeout', `${origin} does not answer`, options);
  if (MISUSE.has(code))
    return new CairnError('internal', `the request to ${origin} was wrong (${code})`, options);
  if (CERTIFICATE.test(code)) {
    return new CairnError(
      'not-a-cairn-server',
      `the certificate of ${origin} is not to be trusted (${code})`,
      options,
    );
  }
  // A header that is cut by the end of the connection is a broken network; one that is no HTTP is another service.
  if (isNoHttp(error) && code !== 'HPE_INVALID_EOF_STATE') {
    return new CairnError('not-a-cairn-server', `what listens at ${origin} does not speak HTTP/1.1`, options);
  }
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') {
    return new CairnError(
      'not-a-cairn-server',
      `what listens at ${origin} does not speak TLS as it should (${code})`,
      options,
    );
  }
  return new CairnError('network', `no connection to ${origin}: ${REASONS[code] ?? code}`, options);
}

/** undici's parser does not always set a code; the name of its error is part of its interface. */
function isNoHttp(error: unknown): boolean {
  return error instanceof Error && error.name === 'HTTPParserError';
}

/** Attempts at several addresses end in one AggregateError, whose first member says why. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && systemCodeOf(error) === undefined)
    return systemCodeOf(error.errors[0]);
  return systemCodeOf(error);
}

/** A CairnError that ended a socket comes back inside of what undici makes of it. */
function cairnErrorIn(error: unknown): CairnError | undefined {
  if (error instanceof CairnError) return error;
  return error instanceof Error && error.cause instanceof CairnError ? error.cause : undefined;
}
