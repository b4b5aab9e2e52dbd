/** Lists keys, a page after the other; each page begins behind the last key of the one before, so that none depends on a cursor. */
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { isKey } from '../object-key.ts';
import type { ObjectHead } from '../object-store.ts';
import { sizeOfText, tagOf, timeOf } from './object-head.ts';
import { readAnswer } from './read-answer.ts';
import type { S3Client } from './s3-client.ts';
import { parseXml, textIn, type XmlElement } from './xml-elements.ts';

const PAGE = 1000;
const MAX_PAGE_BYTES = 8 * 1024 * 1024;

/** See `ObjectStore.list`; the prefix is checked. Passes over objects with keys that no store of cairn makes. */
export async function* listS3Objects(
  client: S3Client,
  prefix: string,
  after: string,
): AsyncGenerator<ObjectHead> {
  const before = client.place.prefix;
  for (let behind = before + after; ;) {
    const { found, isLast } = await readPage(client, before + prefix, behind);
    for (const { key, element } of found) {
      const own = key.slice(before.length);
      if (isKey(own)) yield headOfElement(own, element);
    }
    const last = found.at(-1)?.key;
    if (isLast) return;
    if (last === undefined)
      throw new CairnError('storage-io', 'the store lists a page without objects that is not the last one');
    behind = last;
  }
}

interface Page {
  readonly found: readonly { readonly key: string; readonly element: XmlElement }[];
  readonly isLast: boolean;
}

async function readPage(client: S3Client, prefix: string, behind: string): Promise<Page> {
  const doing = `listing the objects below "${printable(prefix)}"`;
  const query = { 'list-type': '2', 'max-keys': String(PAGE), 'prefix': prefix, 'start-after': behind };
  const text = await readAnswer(client, { method: 'GET', query, doing }, MAX_PAGE_BYTES);
  const root = parseXml(text);
  let last = behind;
  const found = root.children
    .filter(({ name }) => name === 'Contents')
    .map((element) => ({ key: textIn(element, 'Key') ?? '', element }));
  for (const { key } of found) {
    if (!key.startsWith(prefix) || key <= last)
      throw new CairnError('storage-io', `the store answers out of order while ${doing}`);
    last = key;
  }
  return { found, isLast: textIn(root, 'IsTruncated') !== 'true' };
}

function headOfElement(key: string, element: XmlElement): ObjectHead {
  return {
    key,
    etag: tagOf(textIn(element, 'ETag')),
    sizeBytes: sizeOfText(textIn(element, 'Size')),
    modifiedAtMs: timeOf(textIn(element, 'LastModified')),
  };
}
