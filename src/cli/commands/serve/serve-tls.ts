/** TLS of `cairn serve`: settled, opened once, read again on demand. */
import type { Logger } from '../../../base/logger.ts';
import type { Authenticator } from '../../../server/access/authenticator.ts';
import type { CertificateRules } from '../../../server/access/certificates.ts';
import type { KeptTls } from '../../../server/access/kept-tls.ts';
import type { TlsFiles } from '../../../server/access/tls-files.ts';
import { usage } from '../../options/usage.ts';
import type { ServeValues } from './serve-command.ts';

/** With which files a server speaks TLS. */
export interface ServeTlsSettings extends TlsFiles {
  /** What client certificates allow, where they are asked for. */
  readonly clients: CertificateRules | undefined;
}

/** What a server is given of it. */
export interface ServeTls {
  readonly tls: KeptTls | undefined;
  /** To be asked after all that look at tokens. */
  readonly authenticators: readonly Authenticator[];
  /** Reads the files again; what is wrong with them is logged. */
  reload(): Promise<void>;
  close(): void;
}

type TlsValues = Pick<ServeValues, 'tlsCert' | 'tlsKey' | 'tlsClientCa' | 'tlsClientScope' | 'tlsClientPath'>;

const EXAMPLE = 'cairn serve --root /srv/files --tls-cert server.crt --tls-key server.key';
const CLIENT_EXAMPLE = `${EXAMPLE} --tls-client-ca clients.crt`;

/** What the options mean together; undefined where they ask for no TLS. @throws CairnError `usage` */
export function tlsSettingsOf(values: TlsValues): ServeTlsSettings | undefined {
  const { tlsCert, tlsKey, tlsClientCa, tlsClientScope, tlsClientPath } = values;
  if (tlsClientCa === undefined && (tlsClientScope ?? tlsClientPath) !== undefined)
    throw usage('--tls-client-scope and --tls-client-path need --tls-client-ca', CLIENT_EXAMPLE);
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined)
    throw usage('TLS needs both --tls-cert and --tls-key', EXAMPLE);
  const rules = { scopes: tlsClientScope ?? (['read', 'write', 'list'] as const), path: tlsClientPath ?? [] };
  return {
    certFile: tlsCert,
    keyFile: tlsKey,
    clientCaFile: tlsClientCa,
    clients: tlsClientCa === undefined ? undefined : rules,
  };
}

/** Opens the files that the settings name. @throws CairnError `config-invalid` */
export async function openServeTls(settings: ServeTlsSettings | undefined, log: Logger): Promise<ServeTls> {
  if (settings === undefined) {
    return { tls: undefined, authenticators: [], reload: async () => undefined, close: () => undefined };
  }
  const { openTls } = await import('../../../server/access/kept-tls.ts');
  const tls = await openTls(settings, log);
  const authenticators = await authenticatorsOf(settings, tls);
  return { tls, authenticators, reload: () => tls.reload(), close: () => tls.close() };
}

async function authenticatorsOf({ clients }: ServeTlsSettings, tls: KeptTls): Promise<Authenticator[]> {
  if (clients === undefined) return [];
  const { createCertificateAuthenticator } = await import('../../../server/access/certificates.ts');
  return [createCertificateAuthenticator(tls, clients)];
}
