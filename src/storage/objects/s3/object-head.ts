/** What the headers of an answer say of an object. */
import type { IncomingHttpHeaders } from 'node:http';
import { CairnError } from '../../../base/errors.ts';
import type { ObjectHead } from '../object-store.ts';

const TAG = /^[\x21-\x7e]{1,200}$/;

/** A tag without the quotes that some services put around it. @throws CairnError `storage-io` for a text that is no tag */
export function tagOf(text: string | undefined): string {
  const tag = (text ?? '').replace(/^(?:W\/)?"(.*)"$/, '$1');
  if (TAG.test(tag)) return tag;
  throw new CairnError('storage-io', 'the store does not tell the tag (ETag) of an object');
}

/** The head of the object under `key`, without the store's prefix. @throws CairnError `storage-io` */
export function headOfAnswer(key: string, headers: IncomingHttpHeaders): ObjectHead {
  const [, whole] = /^bytes \d+-\d+\/(\d{1,15})$/.exec(headers['content-range'] ?? '') ?? [];
  return {
    key,
    etag: tagOf(headers.etag),
    sizeBytes: sizeOfText(whole ?? headers['content-length']),
    modifiedAtMs: timeOf(headers['last-modified']),
  };
}

/** A number of bytes as the service writes it. @throws CairnError `storage-io` */
export function sizeOfText(text: string | undefined): number {
  if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
  throw new CairnError('storage-io', 'the store does not tell the size of an object');
}

/**
 * A time as the service writes it, in whole seconds: headers have no parts of them, and an object has one time whoever tells
 * it. @throws CairnError `storage-io`
 */
export function timeOf(text: string | undefined): number {
  const atMs = Date.parse(text ?? '');
  if (Number.isFinite(atMs)) return Math.floor(atMs / 1000) * 1000;
  throw new CairnError('storage-io', 'the store does not tell the time of an object');
}
