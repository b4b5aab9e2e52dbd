import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { expect, onTestFinished, test } from 'vitest';
import { checkCertificate } from '../../../src/client/doctor/check-certificate.ts';

const DAY_MS = 86_400_000;

interface TlsServer {
  readonly url: URL;
  /** Its certificate, which stands for an authority of its own. */
  readonly ca: string;
}

async function serve(name = 'localhost'): Promise<TlsServer> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: name }], {
    notAfterDate: new Date(Date.now() + 90 * DAY_MS),
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: name }] }],
  });
  const server = createServer({ cert, key }, (_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { url: new URL(`https://localhost:${port}/`), ca: cert };
}

test('a certificate that is trusted, and for long, is fine', async () => {
  const { url, ca } = await serve();
  const [finding] = await checkCertificate(url, { ca });
  expect(finding).toMatchObject({ level: 'ok' });
  expect(finding!.message).toMatch(/^TLSv1\.3, .* \(89 days\)$/);
});

test('one that nobody here vouches for is a problem', async () => {
  const { url } = await serve();
  const [finding] = await checkCertificate(url);
  expect(finding).toMatchObject({ level: 'problem', code: 'certificate-untrusted' });
});

test('one for another name is a problem', async () => {
  const { url, ca } = await serve('elsewhere.example');
  const [finding] = await checkCertificate(url, { ca });
  expect(finding).toMatchObject({ level: 'problem', code: 'certificate-untrusted' });
  expect(finding!.message).toContain('ALTNAME');
});

test('one that ends soon is a warning, one that has ended a problem', async () => {
  const { url, ca } = await serve();
  const [soon] = await checkCertificate(url, { ca }, Date.now() + 80 * DAY_MS);
  expect(soon).toMatchObject({ level: 'warning' });
  expect(soon!.message).toContain('in 9 days');
  const [over] = await checkCertificate(url, { ca }, Date.now() + 91 * DAY_MS);
  expect(over).toMatchObject({ level: 'problem', code: 'certificate-untrusted' });
});

test('a server without TLS is told from one with a bad certificate', async () => {
  const { createServer: createPlain } = await import('node:http');
  const server = createPlain((_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const [finding] = await checkCertificate(new URL(`https://127.0.0.1:${port}/`));
  expect(finding).toMatchObject({ level: 'problem', code: 'not-a-cairn-server' });
});
