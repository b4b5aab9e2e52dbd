import { describe, expect, it } from 'vitest';
import { EMPTY_SHA256, type Signable, signedHeaders } from '../../../src/storage/objects/s3/signature.ts';

/** The keys, time and bucket of the examples that AWS has published; the hashes are theirs, too. */
const SIGNING = {
  credentials: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  },
  region: 'us-east-1',
  atMs: Date.UTC(2013, 4, 24),
};
const host = 'examplebucket.s3.amazonaws.com';
const GET = { method: 'GET', query: {}, headers: { host }, bodySha256: EMPTY_SHA256 };

const EXAMPLES: readonly [string, Signable, string][] = [
  [
    'a GET of a part of an object',
    { ...GET, path: '/test.txt', headers: { host, range: 'bytes=0-9' } },
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  ],
  [
    'a PUT of an object',
    {
      ...GET,
      method: 'PUT',
      path: '/test%24file.text',
      headers: {
        host,
        'date': 'Fri, 24 May 2013 00:00:00 GMT',
        'x-amz-storage-class': 'REDUCED_REDUNDANCY',
      },
      bodySha256: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    },
    '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
  ],
  [
    'a query without a value',
    { ...GET, path: '/', query: { lifecycle: '' } },
    'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
  ],
  [
    'a listing',
    { ...GET, path: '/', query: { 'prefix': 'J', 'max-keys': '2' } },
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
  ],
];

describe('Signature Version 4', () => {
  it.each(EXAMPLES)(
    'a request for %s has the signature that AWS has published',
    (_name, request, signature) => {
      expect(signedHeaders(request, SIGNING)['authorization']).toContain(`,Signature=${signature}`);
    },
  );

  it('a signature covers the token of keys that expire, the time and the digest', () => {
    const credentials = { ...SIGNING.credentials, sessionToken: 'a token' };
    const headers = signedHeaders({ ...GET, path: '/x' }, { ...SIGNING, credentials });
    expect(headers).toMatchObject({
      'x-amz-security-token': 'a token',
      'x-amz-date': '20130524T000000Z',
      'x-amz-content-sha256': EMPTY_SHA256,
    });
    expect(headers['authorization']).toContain(
      'SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token',
    );
  });
});
