/** Reads the certificate, the key and the authorities of a server from files. */
import type { X509Certificate } from 'node:crypto';
import { readCertificateFile, readKeyFile } from '../../base/pem-file.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  /** The server's certificate, then those of its issuers. */
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities whose client certificates are accepted; undefined: the server asks for none. */
  readonly clientCaFile: string | undefined;
}

/** The content of the files; the parts fit together. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** Host names and addresses of the certificate. */
  readonly names: readonly string[];
  /** SHA-256 of the certificate, as openssl writes it. */
  readonly fingerprint: string;
  /** When the certificate itself ends, in milliseconds since 1970. */
  readonly expiresAtMs: number;
  readonly clientCas: readonly X509Certificate[] | undefined;
}

/** Reads the files and checks that they fit together. @throws CairnError `config-invalid` */
export async function readTlsFiles({ certFile, keyFile, clientCaFile }: TlsFiles): Promise<TlsMaterial> {
  const chain = await readCertificateFile(certFile);
  const key = await readKeyFile(keyFile, chain);
  const clientCas = clientCaFile === undefined ? undefined : await readCertificateFile(clientCaFile);
  const own = chain.certificates[0]!;
  return {
    cert: chain.pem,
    key: key.pem,
    names: namesOf(own),
    fingerprint: own.fingerprint256,
    expiresAtMs: endOf(own),
    clientCas: clientCas?.certificates,
  };
}

/** When a certificate ends, in milliseconds since 1970. */
export function endOf({ validTo }: X509Certificate): number {
  return Date.parse(validTo);
}

function namesOf({ subjectAltName }: X509Certificate): string[] {
  const names = (subjectAltName ?? '').split(', ').map((name) => /^(?:DNS|IP Address):(.+)$/.exec(name)?.[1]);
  return names.filter((name) => name !== undefined);
}
