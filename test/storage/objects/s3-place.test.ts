import { describe, expect, it } from 'vitest';
import { parseS3Place } from '../../../src/storage/objects/s3/s3-place.ts';
import { codeOf } from '../../suites/staged-transfer.ts';

const urlOf = (words: Parameters<typeof parseS3Place>[0]): string => {
  const { origin, pathBefore, prefix } = parseS3Place(words);
  return `${origin.origin}${pathBefore}/${prefix}`;
};

describe('locations of a bucket', () => {
  it.each([
    [{ url: 's3://files' }, 'https://files.s3.us-east-1.amazonaws.com/'],
    [{ url: 's3://files/', region: 'eu-central-1' }, 'https://files.s3.eu-central-1.amazonaws.com/'],
    [{ url: 's3://files/a/b/' }, 'https://files.s3.us-east-1.amazonaws.com/a/b/'],
    // Certificates cover one label only.
    [{ url: 's3://my.files/a' }, 'https://s3.us-east-1.amazonaws.com/my.files/a/'],
    [{ url: 's3://files', endpoint: 'http://127.0.0.1:7480' }, 'http://127.0.0.1:7480/files/'],
    [{ url: 's3://files', endpoint: 'https://{bucket}.s3.example.org/' }, 'https://files.s3.example.org/'],
  ])('the location %j of a bucket has its URLs below %s', (words, expected) => {
    expect(urlOf(words)).toBe(expected);
  });

  it.each([
    { url: 's3://' },
    { url: 's3://Files' },
    { url: 's3://a..b' },
    { url: 's3://x' },
    { url: 's3://files/a b' },
    { url: 's3://files/../x' },
    { url: 's3://files//x' },
    { url: `s3://files/${'a/'.repeat(150)}` },
    { url: 's3://files', region: 'eu central' },
    { url: 's3://files', endpoint: 'ftp://example.org' },
    { url: 's3://files', endpoint: 'https://user:secret@example.org' },
    { url: 's3://files', endpoint: 'https://example.org/below' },
    { url: 's3://files', endpoint: 'example.org' },
  ])('the location %j of a bucket is refused', async (words) => {
    expect(await codeOf(() => parseS3Place(words))).toBe('config-invalid');
  });
});
