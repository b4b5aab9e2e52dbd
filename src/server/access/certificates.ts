/** Client certificates as a way to authenticate: a certificate of a loaded authority needs no token. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { CairnError } from '../../base/errors.ts';
import { checkRelativePath, printable } from '../../base/safe-path.ts';
import type { KeptTls } from './kept-tls.ts';
import { endOf, type TlsMaterial } from './tls-files.ts';
import type { Scope } from '../../session/scopes.ts';
import type { Authorization } from '../../session/authorization.ts';
import type { Authenticator } from './authenticator.ts';

/** The rights of client certificates. */
export interface CertificateRules {
  readonly scopes: readonly Scope[];
  /** Components of the path that each certificate is confined to; `{cn}` stands for the subject's common name. */
  readonly path: readonly string[];
}

/** The component of {@link CertificateRules} that stands for the common name. */
const COMMON_NAME = '{cn}';
/** Longer than any chain in use. */
const MAX_CHAIN = 10;
const MAX_SUBJECT_CHARACTERS = 200;
const PREFIX = 'certificate:';

/**
 * An authenticator for the client certificates that `tls` accepts. Its principals are `certificate:cn=NAME`, or
 * `certificate:uri=URI` where the subject has no common name, so that a renewed certificate goes on with the sessions
 * of the one before. Its ids are `certificate:FINGERPRINT.AUTHORITY`, valid as long as the authority is loaded. OpenSSL
 * has checked the chain at the handshake; this checks which authorities are loaded now. It finds only direct issuers,
 * since Node 24 does not tell a server the rest of a client's chain.
 */
export function createCertificateAuthenticator(
  tls: Pick<KeptTls, 'material'>,
  rules: CertificateRules,
): Authenticator {
  /** The authorization of each connection's certificate, as long as the same authorities are loaded. */
  const known = new WeakMap<TLSSocket, { material: TlsMaterial; authorization: Authorization }>();
  return {
    authenticate: async ({ connection }) => {
      if (connection === undefined) return undefined;
      const before = known.get(connection);
      if (before?.material === tls.material) return before.authorization;
      const certificate = connection.getPeerX509Certificate();
      if (certificate === undefined) return undefined;
      if (!connection.authorized) throw notAccepted(String(connection.authorizationError));
      const { material } = tls;
      const authorization = authorizationOf(certificate, material, rules);
      known.set(connection, { material, authorization });
      return authorization;
    },
    stands: ({ id }) => {
      if (!id.startsWith(PREFIX)) return undefined;
      const issuer = id.slice(id.indexOf('.') + 1);
      return authoritiesOf(tls.material).has(issuer);
    },
  };
}

function authorizationOf(
  certificate: X509Certificate,
  material: TlsMaterial,
  rules: CertificateRules,
): Authorization {
  const found = [...authoritiesOf(material)].find(([, ca]) => isIssuedBy(certificate, ca));
  if (found === undefined) {
    throw notAccepted(
      'its issuer is not among the authorities that this server accepts; an issuer that is no root has to be in ' +
        '--tls-client-ca beside its root',
    );
  }
  const [authority] = found;
  const { principal, commonName } = subjectOf(certificate);
  return {
    id: `${PREFIX}${hexOf(certificate)}.${authority}`,
    principal,
    scopes: rules.scopes,
    pathPrefix: pathOf(rules, commonName),
    expiresAtMs: endOf(certificate),
  };
}

/** By fingerprint; computed once, since every session needs them often. */
const AUTHORITIES = new WeakMap<TlsMaterial, ReadonlyMap<string, X509Certificate>>();

/** The loaded authorities that lead to a root. */
function authoritiesOf(material: TlsMaterial): ReadonlyMap<string, X509Certificate> {
  const known = AUTHORITIES.get(material);
  if (known !== undefined) return known;
  const { clientCas = [] } = material;
  const anchored = clientCas.filter((ca) => isAnchored(ca, clientCas));
  const authorities = new Map(anchored.map((ca) => [hexOf(ca), ca]));
  AUTHORITIES.set(material, authorities);
  return authorities;
}

/** Whether an authority is a root, or other authorities lead from it to a root. */
function isAnchored(authority: X509Certificate, loaded: readonly X509Certificate[]): boolean {
  let link = authority;
  for (let depth = 0; depth < MAX_CHAIN; depth += 1) {
    if (isIssuedBy(link, link)) return true;
    const issuer = loaded.find((ca) => isIssuedBy(link, ca));
    if (issuer === undefined) return false;
    link = issuer;
  }
  return false;
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** @throws CairnError `unauthenticated` for a subject without a name, or with more than one */
function subjectOf(certificate: X509Certificate): { principal: string; commonName: string | undefined } {
  const legacy = certificate.toLegacyObject();
  // An array for several names, unlike its type.
  const commonName: unknown = legacy.subject?.CN;
  if (commonName !== undefined) {
    return { principal: `${PREFIX}cn=${safeName(commonName)}`, commonName: safeName(commonName) };
  }
  const uris = (legacy.subjectaltname ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  if (uris.length !== 1) throw notAccepted('its subject has no common name and not exactly one URI');
  return { principal: `${PREFIX}uri=${safeName(uris[0]!.slice('URI:'.length))}`, commonName: undefined };
}

function safeName(name: unknown): string {
  const isSafe =
    typeof name === 'string' &&
    name !== '' &&
    name.length <= MAX_SUBJECT_CHARACTERS &&
    printable(name) === name;
  if (isSafe) return name;
  throw notAccepted('the name in its subject is empty, too long, not printable, or not the only one');
}

/** @throws CairnError `unauthenticated` where the common name cannot name a directory */
function pathOf({ path }: CertificateRules, commonName: string | undefined): string {
  const names = path.map((name) => {
    if (name !== COMMON_NAME) return name;
    if (commonName === undefined) throw notAccepted('its subject has no common name, which its path needs');
    if (commonName.includes('/')) throw notAccepted('its common name has a "/" and cannot be a directory');
    return commonName;
  });
  try {
    return checkRelativePath(names.join('/'));
  } catch (error) {
    throw error instanceof CairnError
      ? notAccepted(`its common name cannot name a directory: ${error.message}`)
      : error;
  }
}

function hexOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

function notAccepted(why: string): CairnError {
  return new CairnError('unauthenticated', `the client certificate is not accepted: ${printable(why)}`);
}
