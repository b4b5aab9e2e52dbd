/**
 * Refuses requests that a browser makes for another site. A browser shows a client certificate for every page that
 * asks, so the certificate alone must not be enough to act for its user. A page cannot add a token or a session's
 * credential without a preflight.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import { CairnError } from '../../base/errors.ts';
import { HEADER, PROTOCOL_ROOT } from '../../wire/routes.ts';
import type { Exchange } from './exchange.ts';

/** Methods that change nothing. */
const SAFE = new Set(['GET', 'HEAD']);
/** A page of this server, or the user by hand. */
const OWN_SITES = new Set(['same-origin', 'none']);
const JSON_TYPE = 'application/json';

/**
 * Refuses what a browser sends for a page of another origin (`Origin`, and `Sec-Fetch-Site` of Fetch Metadata): every
 * request of the protocol, and elsewhere every method but `GET` and `HEAD`. Over TLS it also refuses a browser's
 * request without a token for a host that the certificate does not name: a stranger's name may lead here (DNS
 * rebinding).
 *
 * @throws CairnError `cross-site-refused`
 */
export function refuseCrossSite({ request, method, path }: Exchange): void {
  const { origin, 'sec-fetch-site': site, authorization } = request.headers;
  if (origin === undefined && site === undefined) return;
  if (authorization === undefined && !isNamedByCertificate(request))
    throw refused('it was sent to a host name that does not belong to this server');
  if (SAFE.has(method) && !path.startsWith(`/${PROTOCOL_ROOT}`)) return;
  if (site !== undefined && !OWN_SITES.has(site)) throw refused('a page of another site made it');
  if (origin !== undefined && !isOwnOrigin(origin, request))
    throw refused('a page of another origin made it');
}

/**
 * Refuses a JSON message of another media type, or of none: a form, or a script without a preflight, can send any text
 * as `text/plain`. A request with an access token or a credential in a header needs no type: no form can send these.
 *
 * @throws CairnError `media-type-refused`
 */
export function requireJsonType({ request }: Exchange, what: string): void {
  const { 'content-type': type, authorization } = request.headers;
  if ((authorization ?? request.headers[HEADER.credential]) !== undefined) return;
  const [essence = ''] = (type ?? '').split(';', 1);
  if (essence.trim().toLowerCase() === JSON_TYPE) return;
  throw new CairnError('media-type-refused', `${what} has to come with Content-Type: ${JSON_TYPE}`);
}

/** Compares hosts only: a proxy may end TLS, which changes the scheme. */
function isOwnOrigin(origin: string, { headers: { host = '' } }: IncomingMessage): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: from } = new URL(origin);
  const own = `${protocol}//${host}`;
  return from !== '' && URL.canParse(own) && new URL(own).host === from;
}

function isNamedByCertificate({ socket, headers: { host = '' } }: IncomingMessage): boolean {
  if (!(socket instanceof TLSSocket)) return true;
  const own = `https://${host}`;
  const certificate = socket.getX509Certificate();
  if (certificate === undefined || !URL.canParse(own)) return false;
  const name = new URL(own).hostname.replace(/^\[(.*)\]$/, '$1');
  return (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;
}

function refused(why: string): CairnError {
  return new CairnError('cross-site-refused', `the request is refused: ${why}`);
}
