/** Authorities and certificates for tests, made anew each time, and the files that they lie in. */
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { generate } from 'selfsigned';
import { temporaryDirectory } from './trees.ts';

/** A certificate and its private key, in PEM form. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says. */
export interface Subject {
  /** Common name; none, where undefined. */
  readonly name: string | undefined;
  readonly dns?: readonly string[];
  readonly ips?: readonly string[];
  readonly uris?: readonly string[];
  /** Valid until so many days from now; 90 where missing, before now where negative. */
  readonly days?: number;
  readonly isAuthority?: boolean;
}

const DAY_MS = 86_400_000;

/** Makes a certificate, issued by `issuer`, or by itself. */
export async function issue(subject: Subject, issuer?: Issued): Promise<Issued> {
  const { name, dns = [], ips = [], uris = [], days = 90, isAuthority = false } = subject;
  const altNames = [
    ...dns.map((value) => ({ type: 2 as const, value })),
    ...uris.map((value) => ({ type: 6 as const, value })),
    ...ips.map((ip) => ({ type: 7 as const, ip })),
  ];
  const made = await generate(
    [
      ...(name === undefined ? [] : [{ name: 'commonName', value: name }]),
      { name: 'organizationName', value: 'cairn tests' },
    ],
    {
      keyType: 'ec',
      algorithm: 'sha256',
      notBeforeDate: new Date(Date.now() - 400 * DAY_MS),
      notAfterDate: new Date(Date.now() + days * DAY_MS),
      ...(issuer === undefined ? {} : { ca: issuer }),
      extensions: isAuthority
        ? [
            { name: 'basicConstraints', cA: true, critical: true },
            { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
          ]
        : [
            { name: 'basicConstraints', cA: false, critical: true },
            { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
            ...(altNames.length === 0 ? [] : [{ name: 'subjectAltName' as const, altNames }]),
          ],
    },
  );
  return { cert: made.cert, key: made.private };
}

/** An authority. */
export function issueAuthority(name: string, issuer?: Issued): Promise<Issued> {
  return issue({ name, isAuthority: true }, issuer);
}

/** A certificate for servers on the loopback interface. */
export function issueServer(issuer?: Issued, changes: Partial<Subject> = {}): Promise<Issued> {
  return issue({ name: 'localhost', dns: ['localhost'], ips: ['127.0.0.1', '::1'], ...changes }, issuer);
}

/** Paths of a certificate and its key. */
export interface IssuedFiles {
  readonly cert: string;
  readonly key: string;
}

/** Writes a certificate (and more of its chain) and its key into a directory of the test. */
export function writeIssued({ cert, key }: Issued, ...chain: readonly Issued[]): IssuedFiles {
  const directory = temporaryDirectory();
  const files = { cert: path.join(directory, 'cert.pem'), key: path.join(directory, 'key.pem') };
  rewriteIssued(files, { cert: [cert, ...chain.map((issuer) => issuer.cert)].join('\n'), key });
  return files;
}

/** Puts another certificate in the place of one. */
export function rewriteIssued(files: IssuedFiles, { cert, key }: Issued): void {
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key, { mode: 0o600 });
  chmodSync(files.key, 0o600);
}

/** Writes authorities into one file of the test. */
export function writeAuthorities(...authorities: readonly Issued[]): string {
  const file = path.join(temporaryDirectory(), 'ca.pem');
  writeFileSync(file, authorities.map(({ cert }) => cert).join('\n'));
  return file;
}
