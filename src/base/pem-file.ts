/** PEM files of certificates and private keys, of this user or root. Every fault is `config-invalid`, with advice. */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { CairnError, systemCodeOf } from './errors.ts';
import { remedyFor, whyForeign } from './ownership.ts';
import { printable } from './safe-path.ts';
import { shellWord } from './shell.ts';

/** A file of certificates: the server's or client's own first, or any number of authorities. */
export interface CertificateFile {
  readonly path: string;
  readonly pem: string;
  /** At least one. */
  readonly certificates: readonly X509Certificate[];
}

/** A private key that fits a certificate. */
export interface KeyFile {
  readonly pem: string;
}

const MAX_PEM_BYTES = 1024 * 1024;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const ENCRYPTED = /BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: *4, *ENCRYPTED/;

/** Reads the certificates in a PEM file. @throws CairnError `config-invalid` */
export async function readCertificateFile(path: string): Promise<CertificateFile> {
  const { text: pem } = await readPem(path, 'certificate');
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) {
    throw invalid(path, 'it has no certificate in PEM form ("-----BEGIN CERTIFICATE-----")');
  }
  try {
    return { path, pem, certificates: blocks.map((block) => new X509Certificate(block)) };
  } catch (error) {
    throw invalid(path, 'it has a certificate that cannot be understood', error);
  }
}

/**
 * Reads the private key of a certificate. Only its owner may have read permission; the group, too, for a file of
 * root, as is usual for servers.
 *
 * @param owner the file whose first certificate belongs to the key
 * @throws CairnError `config-invalid`
 */
export async function readKeyFile(path: string, owner: CertificateFile): Promise<KeyFile> {
  const { text: pem, mode, uid } = await readPem(path, 'key');
  const forbidden = uid === 0 ? 0o037 : 0o077;
  if ((mode & forbidden) !== 0) {
    throw invalid(path, `other users may read or change the key; run: chmod 600 ${shellWord(path)}`);
  }
  if (ENCRYPTED.test(pem)) {
    throw invalid(
      path,
      'the key is encrypted with a passphrase; write it without one: openssl pkey -in KEY -out NEWKEY, and chmod 600',
    );
  }
  const key = parseKey(path, pem);
  if (!owner.certificates[0]!.checkPrivateKey(key)) {
    throw invalid(
      path,
      `the key does not belong to the first certificate in "${printable(owner.path)}" (put its owner's certificate first, then ` +
        'those of its issuers)',
    );
  }
  return { pem };
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw invalid(path, 'it has no private key in PEM form ("-----BEGIN PRIVATE KEY-----")', error);
  }
}

async function readPem(path: string, what: string): Promise<{ text: string; mode: number; uid: number }> {
  // Without O_NONBLOCK, opening a FIFO would wait for its other end.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw invalid(path, `the ${what} file cannot be opened (${systemCodeOf(error) ?? String(error)})`, error);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw invalid(path, 'it is not a regular file');
    if (stat.size > MAX_PEM_BYTES) throw invalid(path, `it is too large for a ${what} file`);
    const why = whyForeign(stat);
    if (why !== undefined) throw invalid(path, `${why}; ${remedyFor(stat, path)}`);
    return { text: await handle.readFile('utf8'), mode: stat.mode, uid: stat.uid };
  } catch (error) {
    if (error instanceof CairnError) throw error;
    throw invalid(path, `the ${what} file cannot be read (${systemCodeOf(error) ?? String(error)})`, error);
  } finally {
    await handle.close();
  }
}

function invalid(path: string, why: string, cause?: unknown): CairnError {
  const options = cause === undefined ? {} : { cause };
  return new CairnError('config-invalid', `"${printable(path)}" is not used: ${why}`, options);
}
