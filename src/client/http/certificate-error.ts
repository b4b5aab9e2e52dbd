/** Why the certificate of a server is not trusted, and what can be done about it. */
import type { PeerCertificate } from 'node:tls';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';

/** A certificate that was refused. */
export interface RefusedCertificate {
  /** Whose it should have been: an origin, or a proxy. */
  readonly peer: string;
  readonly hostname: string;
  /** What the server has shown, where that is known. */
  readonly shown: PeerCertificate | undefined;
  /** Whether only authorities of the user's own are trusted. */
  readonly hasOwnAuthority: boolean;
}

const UNKNOWN_ISSUER = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);
/** It shows one certificate only, whose issuer is not trusted: mostly the intermediate certificates are missing. */
export const INCOMPLETE_CHAIN = 'UNABLE_TO_VERIFY_LEAF_SIGNATURE';
const MAX_SHOWN = 300;

/** The error of a TLS connection whose peer has shown a certificate that is not trusted. */
export function certificateError(error: unknown, refused: RefusedCertificate): CairnError {
  const code = systemCodeOf(error) ?? 'unknown';
  const message = `the certificate of ${refused.peer} is not trusted, and nothing was sent: ${reasonOf(code, refused)}`;
  return new CairnError('certificate-untrusted', message, { cause: error, details: { systemCode: code } });
}

function reasonOf(code: string, { hostname, shown, hasOwnAuthority }: RefusedCertificate): string {
  if (code === 'CERT_HAS_EXPIRED') {
    const end = dateOf(shown?.valid_to);
    return end !== undefined && end.getTime() < Date.now()
      ? `it has expired, it was valid until ${end.toISOString()}; the server needs a new one`
      : 'the certificate of one of its issuers has expired';
  }
  if (code === 'CERT_NOT_YET_VALID') {
    const begin = dateOf(shown?.valid_from);
    const since = begin === undefined ? 'later' : begin.toISOString();
    return `it is valid from ${since} on, and here it is ${new Date().toISOString()}; is this clock right?`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = (shown?.subjectaltname ?? '').replaceAll(/\b(?:DNS|IP Address):/g, '').slice(0, MAX_SHOWN);
    return `it is not for ${hostname}, but for ${names === '' ? 'no host at all' : printable(names)}; use that name in the URL`;
  }
  if (code === INCOMPLETE_CHAIN) {
    const remedy =
      'the server has to show its chain (fullchain.pem), that is, its certificate and the intermediate ones';
    const other = hasOwnAuthority
      ? '; or the authority in --tls-ca (or CAIRN_TLS_CA) has not issued it'
      : '; or, if the authority is your own, pass --tls-ca FILE with its certificate';
    return `the certificate of its issuer${issuerOf(shown)} is neither shown by the server nor trusted here: ${remedy}${other}`;
  }
  if (UNKNOWN_ISSUER.has(code)) {
    const remedy = hasOwnAuthority
      ? 'the authority in --tls-ca (or CAIRN_TLS_CA) has not issued it'
      : 'if the authority is your own, pass --tls-ca FILE with its certificate';
    return `its issuer${issuerOf(shown)} is unknown here; ${remedy}`;
  }
  return code;
}

function issuerOf(shown: PeerCertificate | undefined): string {
  const { CN, O }: Partial<PeerCertificate['issuer']> = shown?.issuer ?? {};
  const name: unknown = CN ?? O;
  return typeof name === 'string' ? ` "${printable(name.slice(0, MAX_SHOWN))}"` : '';
}

function dateOf(text: string | undefined): Date | undefined {
  const date = new Date(text ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
