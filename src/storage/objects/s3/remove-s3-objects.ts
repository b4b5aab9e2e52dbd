/** Removes many objects by one request (DeleteObjects). */
import { createHash } from 'node:crypto';
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { readAnswer } from './read-answer.ts';
import type { S3Client, S3Request } from './s3-client.ts';
import { parseXml, textIn } from './xml-elements.ts';

const BATCH = 1000;
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;

/** See `ObjectStore.remove`; the keys are checked, so that none needs to be escaped. */
export async function removeS3Objects(client: S3Client, keys: readonly string[]): Promise<void> {
  for (let first = 0; first < keys.length; first += BATCH) {
    const batch = keys.slice(first, first + BATCH);
    // oxlint-disable-next-line no-await-in-loop -- a bounded number at a time
    await removeBatch(client, batch);
  }
}

async function removeBatch(client: S3Client, keys: readonly string[]): Promise<void> {
  const objects = keys.map((key) => `<Object><Key>${client.place.prefix}${key}</Key></Object>`).join('');
  const text = Buffer.from(
    `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${objects}<Quiet>true</Quiet></Delete>`,
  );
  const doing = `removing ${keys.length} objects`;
  const request: S3Request = {
    method: 'POST',
    query: { delete: '' },
    // Older services ask for this one digest, and newer ones still take it.
    headers: {
      'content-md5': createHash('md5').update(text).digest('base64'),
      'content-type': 'application/xml',
    },
    body: {
      sizeBytes: text.byteLength,
      sha256: createHash('sha256').update(text).digest('hex'),
      open: async function* () {
        yield text;
      },
    },
    doing,
  };
  const result = parseXml(await readAnswer(client, request, MAX_ANSWER_BYTES));
  const refused = result.children.find(({ name }) => name === 'Error');
  if (refused === undefined) return;
  const code = printable((textIn(refused, 'Code') ?? '').slice(0, 60));
  throw new CairnError('storage-io', `the store did not remove all while ${doing} (${code})`, {
    details: { s3Code: code },
  });
}
