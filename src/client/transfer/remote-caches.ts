/** Which directories of a listed tree are caches: a server only lists, so the tags that mark them are read. */
import { CairnError } from '../../base/errors.ts';
import type { EntryList } from '../../manifest/entry-table.ts';
import { CACHE_TAG } from '../../manifest/selection.ts';
import { call } from '../http/server-calls.ts';
import type { TransferContext } from './transfer-context.ts';

const TAG_END = `/${CACHE_TAG.name}`;
/** A tag that ends so is gone, or cannot be read: its directory is none, as in a scan of local files. */
const NO_TAG: ReadonlySet<string> = new Set([
  'not-found',
  'is-directory',
  'source-changed',
  'source-unreadable',
]);

/**
 * The directories among listed entries whose CACHEDIR.TAG begins as it has to; a request for each that has one.
 *
 * @throws CairnError `forbidden` where files may be listed and not read; network codes, the signal's reason
 */
export async function cachesIn(
  context: Pick<TransferContext, 'server' | 'retrier' | 'signal'>,
  entries: EntryList,
): Promise<string[]> {
  const caches: string[] = [];
  for (const { path, type, sizeBytes } of entries) {
    const isTag = path === CACHE_TAG.name || path.endsWith(TAG_END);
    if (!isTag || type !== 'file' || sizeBytes < CACHE_TAG.signature.length) continue;
    // oxlint-disable-next-line no-await-in-loop -- a tree has few
    if (await isCacheTag(context, path))
      caches.push(path.slice(0, Math.max(0, path.length - TAG_END.length)));
  }
  return caches;
}

async function isCacheTag(
  { server, retrier, signal }: Pick<TransferContext, 'server' | 'retrier' | 'signal'>,
  path: string,
): Promise<boolean> {
  const base = server.target === '/' ? '' : server.target.replace(/\/$/, '');
  const below = path.split('/').map(encodeURIComponent).join('/');
  const range = `bytes=0-${CACHE_TAG.signature.length - 1}`;
  try {
    return await retrier.run(() =>
      server.access.run(async (headers) => {
        // From the root of the protocol up to that of the files.
        const request = {
          method: 'GET',
          path: `../..${base}/${below}`,
          headers: { ...headers, range },
        } as const;
        const response = await call(server, { ...request, signal });
        // Without ranges all of it would come, however long it is.
        if (response.status === 206)
          return (await response.text(CACHE_TAG.signature.length)) === CACHE_TAG.signature;
        await response.discard();
        return false;
      }),
    );
  } catch (error) {
    if (error instanceof CairnError && NO_TAG.has(error.code)) return false;
    throw error;
  }
}
