/** Which authorities a client trusts and which certificate it shows: options, else the environment. */
import type { ClientTls, ClientTlsFiles } from '../../client/api/reach.ts';
import { CairnError } from '../../base/errors.ts';
import { absolutePath } from '../process/shown-command.ts';
import type { Environment } from './user-directories.ts';
import { usage } from '../options/usage.ts';

/** The options as commander hands them over. */
export interface TlsWords {
  readonly tlsCa?: string;
  readonly tlsClientCert?: string;
  readonly tlsClientKey?: string;
  readonly insecureHttp?: boolean;
}

/** Absolute paths of PEM files; undefined for what was not given. */
export interface TlsSettings {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Whether a token may be shown without TLS beyond this machine. */
  readonly insecureHttp?: boolean;
}

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

const EXAMPLE = '--tls-client-cert me.crt --tls-client-key me.key';

/** Validates the options. @throws CairnError `usage` */
export function tlsSettingsOf(words: TlsWords): TlsSettings {
  const { tlsCa, tlsClientCert, tlsClientKey, insecureHttp = false } = words;
  if (tlsCa === '') throw usage('--tls-ca takes the path of a PEM file', '--tls-ca ca.crt');
  const [cert, key] = [pathOf(tlsClientCert), pathOf(tlsClientKey)];
  const settings = { ca: pathOf(tlsCa), cert, key, insecureHttp };
  checkPair(settings, '--tls-client-cert and --tls-client-key');
  return settings;
}

/** The words that give the same settings again. */
export function tlsWordsOf({ ca, cert, key, insecureHttp = false }: TlsSettings): string[] {
  return [
    ...(ca === undefined ? [] : ['--tls-ca', ca]),
    ...(cert === undefined ? [] : ['--tls-client-cert', cert]),
    ...(key === undefined ? [] : ['--tls-client-key', key]),
    ...(insecureHttp ? ['--insecure-http'] : []),
  ];
}

/**
 * What https is spoken with; `CAIRN_TLS_CA`, `CAIRN_TLS_CLIENT_CERT` and `CAIRN_TLS_CLIENT_KEY` stand for options that
 * were not given.
 *
 * @throws CairnError `usage`
 */
export function clientTls(settings: TlsSettings, environment: Environment): OpenedClientTls {
  const has = settings.cert !== undefined || settings.key !== undefined;
  const paths = {
    ca: settings.ca ?? fromEnvironment(environment, 'CAIRN_TLS_CA'),
    cert: has ? settings.cert : fromEnvironment(environment, 'CAIRN_TLS_CLIENT_CERT'),
    key: has ? settings.key : fromEnvironment(environment, 'CAIRN_TLS_CLIENT_KEY'),
  };
  checkPair(paths, 'CAIRN_TLS_CLIENT_CERT and CAIRN_TLS_CLIENT_KEY');
  const showsCertificate = paths.cert !== undefined;
  if (paths.ca === undefined && !showsCertificate) return { tls: undefined, showsCertificate };
  let last: ClientTlsFiles | undefined;
  const tls = async (): Promise<ClientTlsFiles> => {
    last = await readAgain(paths, last);
    return last;
  };
  return { tls, showsCertificate };
}

/** Certificate and key are exchanged one after the other: what was good before is used until both are. */
async function readAgain(paths: TlsSettings, last: ClientTlsFiles | undefined): Promise<ClientTlsFiles> {
  try {
    const next = await readFiles(paths);
    const isSame = last?.ca === next.ca && last?.cert === next.cert && last?.key === next.key;
    return last !== undefined && isSame ? last : next;
  } catch (error) {
    if (last === undefined || !(error instanceof CairnError)) throw error;
    return last;
  }
}

async function readFiles({ ca, cert, key }: TlsSettings): Promise<ClientTlsFiles> {
  const { readCertificateFile, readKeyFile } = await import('../../base/pem-file.ts');
  const authorities = ca === undefined ? undefined : await readCertificateFile(ca);
  if (cert === undefined || key === undefined)
    return { ca: authorities?.pem, cert: undefined, key: undefined };
  const own = await readCertificateFile(cert);
  const { pem } = await readKeyFile(key, own);
  return { ca: authorities?.pem, cert: own.pem, key: pem };
}

function checkPair({ cert, key }: TlsSettings, names: string): void {
  if ((cert === undefined) !== (key === undefined)) throw usage(`${names} need each other`, EXAMPLE);
}

function pathOf(word: string | undefined): string | undefined {
  if (word === '') throw usage('--tls-client-cert and --tls-client-key take paths of PEM files', EXAMPLE);
  return word === undefined ? undefined : absolutePath(word);
}

function fromEnvironment(environment: Environment, name: string): string | undefined {
  const value = environment[name]?.trim();
  return value === undefined || value === '' ? undefined : absolutePath(value);
}
