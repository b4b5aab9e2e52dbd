/** Which authorities a client trusts and which certificate it shows: options, else the environment. */
import type { ClientTls, ClientTlsFiles } from '../../client/api/reach.ts';
import { CairnError } from '../../base/errors.ts';
import type { IssuerFetch } from '../../base/issuer-fetch.ts';
import { issuerFetchOver } from '../../client/http/issuer-requests.ts';
import type { TlsValues } from '../options/client-options.ts';
import { absolutePath } from '../process/own-command.ts';
import type { Environment } from './user-directories.ts';
import { usage } from '../options/usage.ts';

/** What {@link clientTls} found. */
export interface OpenedClientTls {
  /**
   * Reads the files each time, and throws CairnError `config-invalid`. Undefined where nothing is said: Node's own
   * authorities and no certificate then.
   */
  readonly tls: ClientTls | undefined;
  /** Whether there is a certificate, which stands for the user. */
  readonly showsCertificate: boolean;
}

/** Absolute paths of PEM files. */
interface PemPaths {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

const EXAMPLE = '--tls-client-cert me.crt --tls-client-key me.key';

/** Refuses a certificate without its key, and a key without its certificate. @throws CairnError `usage` */
export function checkTls({ tlsClientCert, tlsClientKey }: Partial<TlsValues>): void {
  checkPair(tlsClientCert, tlsClientKey, '--tls-client-cert and --tls-client-key');
}

/**
 * What https is spoken with; `CAIRN_TLS_CA`, `CAIRN_TLS_CLIENT_CERT` and `CAIRN_TLS_CLIENT_KEY` stand for options that
 * were not given.
 *
 * @throws CairnError `usage`
 */
export function clientTls(values: Partial<TlsValues>, environment: Environment): OpenedClientTls {
  checkTls(values);
  const { tlsCa, tlsClientCert, tlsClientKey } = values;
  const has = tlsClientCert !== undefined;
  const paths = {
    ca: tlsCa ?? fromEnvironment(environment, 'CAIRN_TLS_CA'),
    cert: has ? tlsClientCert : fromEnvironment(environment, 'CAIRN_TLS_CLIENT_CERT'),
    key: has ? tlsClientKey : fromEnvironment(environment, 'CAIRN_TLS_CLIENT_KEY'),
  };
  checkPair(paths.cert, paths.key, 'CAIRN_TLS_CLIENT_CERT and CAIRN_TLS_CLIENT_KEY');
  const showsCertificate = paths.cert !== undefined;
  if (paths.ca === undefined && !showsCertificate) return { tls: undefined, showsCertificate };
  let last: ClientTlsFiles | undefined;
  const tls = async (): Promise<ClientTlsFiles> => {
    last = await readAgain(paths, last);
    return last;
  };
  return { tls, showsCertificate };
}

/** The fetch for issuers of tokens: what the options or, without any, the environment say of proxies and authorities. */
export function issuerFetchIn(
  environment: Environment,
  tls: ClientTls | undefined = clientTls({}, environment).tls,
): IssuerFetch {
  return issuerFetchOver({ environment, tls });
}

/** Certificate and key are exchanged one after the other: what was good before is used until both are. */
async function readAgain(paths: PemPaths, last: ClientTlsFiles | undefined): Promise<ClientTlsFiles> {
  try {
    const next = await readFiles(paths);
    const isSame = last?.ca === next.ca && last?.cert === next.cert && last?.key === next.key;
    return last !== undefined && isSame ? last : next;
  } catch (error) {
    if (last === undefined || !(error instanceof CairnError)) throw error;
    return last;
  }
}

async function readFiles({ ca, cert, key }: PemPaths): Promise<ClientTlsFiles> {
  const { readCertificateFile, readKeyFile } = await import('../../base/pem-file.ts');
  const authorities = ca === undefined ? undefined : await readCertificateFile(ca);
  if (cert === undefined || key === undefined)
    return { ca: authorities?.pem, cert: undefined, key: undefined };
  const own = await readCertificateFile(cert);
  const { pem } = await readKeyFile(key, own);
  return { ca: authorities?.pem, cert: own.pem, key: pem };
}

function checkPair(cert: string | undefined, key: string | undefined, names: string): void {
  if ((cert === undefined) !== (key === undefined)) throw usage(`${names} need each other`, EXAMPLE);
}

function fromEnvironment(environment: Environment, name: string): string | undefined {
  const value = environment[name]?.trim();
  return value === undefined || value === '' ? undefined : absolutePath(value);
}
