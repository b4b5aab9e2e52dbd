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

test('doctor finds a certificate fine that is trusted, and valid for long', async () => {
  const { url, ca } = await serve();
  const [finding] = await checkCertificate(url, { ca });
  expect(finding).toMatchObject({ level: 'ok' });
  expect(finding!.message).toMatch(/^TLSv1\.3, .* \(89 days\)$/);
});

test('doctor reports a certificate that no known authority has signed as a problem', async () => {
  const { url } = await serve();
  const [finding] = await checkCertificate(url);
  expect(finding).toMatchObject({ level: 'problem', code: 'certificate-untrusted' });
});

test('doctor reports a certificate for another name as a problem', async () => {
  const { url, ca } = await serve('elsewhere.example');
  const [finding] = await checkCertificate(url, { ca });
  expect(finding).toMatchObject({ level: 'problem', code: 'certificate-untrusted' });
  expect(finding!.message).toContain('ALTNAME');
});

test('doctor warns of a certificate that ends soon, and reports an expired one as a problem', async () => {
  const { url, ca } = await serve();
  const [soon] = await checkCertificate(url, { ca }, Date.now() + 80 * DAY_MS);
  expect(soon).toMatchObject({ level: 'warning' });
  expect(soon!.message).toContain('in 9 days');
  const [over] = await checkCertificate(url, { ca }, Date.now() + 91 * DAY_MS);
  expect(over).toMatchObject({ level: 'problem', code: 'certificate-untrusted' });
});

test('doctor tells a server without TLS from one with a bad certificate', async () => {
  const { createServer: createPlain } = await import('node:http');
  const server = createPlain((_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const [finding] = await checkCertificate(new URL(`https://127.0.0.1:${port}/`));
  expect(finding).toMatchObject({ level: 'problem', code: 'not-a-cairn-server' });
});
