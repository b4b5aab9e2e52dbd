/** The certificate of a server that speaks TLS: who vouches for it, whose it is, and until when. */
import { isIP } from 'node:net';
import { connect, type PeerCertificate } from 'node:tls';
import type { ClientTlsFiles } from '../api/reach.ts';
import { TLS_FLOOR } from '../../base/tls-floor.ts';
import { systemCodeOf } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { INCOMPLETE_CHAIN } from '../http/certificate-error.ts';
import { targetOf } from '../http/connecting.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

const DAY_MS = 86_400_000;
/** Programs that renew certificates do so earlier. */
const SOON_DAYS = 14;
const CONNECT_MS = 10_000;

/** What a handshake has shown. */
interface Shown {
  readonly certificate: PeerCertificate;
  readonly protocol: string;
  /** Why it is not trusted; undefined where it is. */
  readonly distrust: string | undefined;
}

/**
 * Looks at the certificate of an https URL.
 *
 * @param files what https is spoken with: authorities in place of the system's, and the client's own certificate
 */
export async function checkCertificate(
  url: URL,
  files: Partial<ClientTlsFiles> = {},
  nowMs: number = Date.now(),
): Promise<readonly Finding[]> {
  const shown = await handshake(url, files);
  if (typeof shown === 'string') {
    const remedy = 'make sure that the server speaks TLS there, and not plain HTTP';
    return [problem('certificate', 'not-a-cairn-server', `no TLS connection: ${shown}`, remedy)];
  }
  return [judge(shown, nowMs)];
}

function handshake(url: URL, { ca, cert, key }: Partial<ClientTlsFiles>): Promise<Shown | string> {
  const { hostname: host, port } = targetOf(url);
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      // A name is sent only where there is one (RFC 6066).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      // It is only looked at: nothing is sent over this connection.
      rejectUnauthorized: false,
      ...TLS_FLOOR,
    });
    const over = (outcome: Shown | string): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(CONNECT_MS, () => over('no answer'));
    socket.once('error', (error) => over(systemCodeOf(error) ?? 'failed'));
    socket.once('secureConnect', () => {
      const { authorized, authorizationError } = socket;
      over({
        certificate: socket.getPeerCertificate(),
        protocol: socket.getProtocol() ?? 'TLS',
        distrust: authorized ? undefined : reasonOf(authorizationError),
      });
    });
  });
}

/** Node has a code or an error there, whatever its types say. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? (systemCodeOf(error) ?? error.message) : String(error);
}

const OTHER_CERTIFICATE =
  'use a certificate for this name by an authority that is trusted here, or name its authority: --tls-ca FILE (or CAIRN_TLS_CA)';
const WHOLE_CHAIN =
  'give the server its whole chain (fullchain.pem: its certificate, then the intermediate ones), or name its authority: --tls-ca FILE (or CAIRN_TLS_CA)';

function judge({ certificate, protocol, distrust }: Shown, nowMs: number): Finding {
  const check = 'certificate';
  const endMs = Date.parse(certificate.valid_to);
  const days = Math.floor((endMs - nowMs) / DAY_MS);
  const until = Number.isNaN(endMs) ? 'an unknown day' : new Date(endMs).toISOString().slice(0, 10);
  if (days < 0) {
    const remedy = 'renew the certificate of the server';
    return problem(
      check,
      'certificate-untrusted',
      `the certificate has expired: it was valid until ${until}`,
      remedy,
    );
  }
  if (distrust !== undefined) {
    const isIncomplete = distrust === INCOMPLETE_CHAIN;
    const why = isIncomplete ? ': the server shows it without the certificate of its issuer' : '';
    const message = `the certificate is not trusted: ${printable(distrust)}${why}`;
    return problem(check, 'certificate-untrusted', message, isIncomplete ? WHOLE_CHAIN : OTHER_CERTIFICATE);
  }
  if (days < SOON_DAYS) {
    const remedy = 'renew it before; a cairn server takes the new one at SIGHUP';
    return warning(check, `the certificate expires in ${days} days, on ${until}`, remedy);
  }
  return ok(check, `${protocol}, the certificate is trusted and valid until ${until} (${days} days)`);
}
