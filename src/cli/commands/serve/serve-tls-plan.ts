/** The words of `serve` that are about TLS → a plan. Pure. */
import { resolve } from 'node:path';
import { CairnError } from '../../../base/errors.ts';
import { checkRelativePath, printable } from '../../../base/safe-path.ts';
import type { CertificateRules } from '../../../server/access/certificates.ts';
import { SCOPES, type Scope } from '../../../session/scopes.ts';
import type { TlsFiles } from '../../../server/access/tls-files.ts';
import { usage } from '../../options/usage.ts';

/** The options as commander hands them over. */
export interface ServeTlsWords {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly tlsClientScope?: string;
  readonly tlsClientPath?: string;
}

/** With what a server speaks TLS. Paths are absolute. */
export interface ServeTlsPlan extends TlsFiles {
  /** What client certificates allow, where they are asked for. */
  readonly clients: CertificateRules | undefined;
}

const EXAMPLE = 'cairn serve --root /srv/files --tls-cert server.crt --tls-key server.key';
const CLIENT_EXAMPLE = `${EXAMPLE} --tls-client-ca clients.crt`;
const DEFAULT_SCOPES: readonly Scope[] = ['read', 'write', 'list'];

/** Validates the options; undefined where there are none. @throws CairnError `usage`, `config-invalid` */
export function planServeTls(words: ServeTlsWords): ServeTlsPlan | undefined {
  const { tlsCert, tlsKey, tlsClientCa, tlsClientScope, tlsClientPath } = words;
  for (const [option, value] of Object.entries({ tlsCert, tlsKey, tlsClientCa })) {
    if (value === '') throw usage(`--${kebab(option)} takes the path of a PEM file`, EXAMPLE);
  }
  if (tlsClientCa === undefined && (tlsClientScope ?? tlsClientPath) !== undefined) {
    throw usage('--tls-client-scope and --tls-client-path need --tls-client-ca', CLIENT_EXAMPLE);
  }
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw usage('TLS needs both --tls-cert and --tls-key', EXAMPLE);
  }
  return {
    certFile: resolve(tlsCert),
    keyFile: resolve(tlsKey),
    clientCaFile: tlsClientCa === undefined ? undefined : resolve(tlsClientCa),
    clients:
      tlsClientCa === undefined
        ? undefined
        : { scopes: scopesOf(tlsClientScope), path: pathOf(tlsClientPath) },
  };
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function scopesOf(word: string | undefined): readonly Scope[] {
  if (word === undefined) return DEFAULT_SCOPES;
  return word.split(',').map((name) => {
    const scope = SCOPES.find((known) => known === name.trim());
    if (scope !== undefined) return scope;
    throw usage(
      `--tls-client-scope takes some of ${SCOPES.join(', ')}, not "${name}"`,
      '--tls-client-scope read,list',
    );
  });
}

function pathOf(word: string | undefined): readonly string[] {
  if (word === undefined || word === '/') return [];
  const example = '--tls-client-path /home/{cn}';
  if (!word.startsWith('/')) throw usage('--tls-client-path takes a path that begins with "/"', example);
  const names = word.replace(/\/$/, '').slice(1).split('/');
  if (names.some((name) => name !== '{cn}' && /[{}]/.test(name))) {
    throw usage('in --tls-client-path {cn} has to be a whole name between slashes', example);
  }
  try {
    checkRelativePath(names.join('/'));
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    const message = `--tls-client-path "${printable(word)}": ${error.message}`;
    throw new CairnError('config-invalid', message, { cause: error });
  }
  return names;
}
