/** `GET` and `HEAD` outside of the protocol: the user's files and directories. */
import { createHash } from 'node:crypto';
import { CairnError } from '../../../base/errors.ts';
import { printable, targetPathOf } from '../../../base/safe-path.ts';
import type { ScannedEntry } from '../../../manifest/entry.ts';
import { checkAllows } from '../../../session/authorization.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { Limiter } from '../../core/limiter.ts';
import type { TreeQuery } from '../../core/scan-tree.ts';
import type { Access } from '../../http/authorize.ts';
import { byteRangeOf, type ByteRange } from '../../http/byte-range.ts';
import { clientSignal } from '../../http/client-signal.ts';
import { allowsRange, failedCondition, versionHeaders } from '../../http/conditions.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { Handler } from '../../http/handler.ts';
import { end, NDJSON_TYPE, sendEmpty, write } from '../../http/reply.ts';
import { sendTree } from '../../http/tree-reply.ts';

/** Layout parameters of trees that are only shown. */
const LISTING = { chunkSizeBytes: 8 * 1024 * 1024, digest: 'xxh64' } as const;
const NS_PER_S = 1_000_000_000n;

/** What the handlers of published files and trees need. */
export interface Published {
  readonly content: ContentStore;
  readonly scanLimiter: Limiter;
  /** Most entries of a shown tree. */
  readonly maxEntries: number;
  /** Counts bytes of files that went out. */
  readonly onSent: (bytes: number) => void;
}

/** Makes the handler that answers with a file, or with the direct children of a directory. */
export function createPublicHandler(
  { authenticateAnswer }: Pick<Access, 'authenticateAnswer'>,
  published: Published,
): Handler {
  return async (exchange) => {
    const authorization = await authenticateAnswer(exchange);
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
      throw new CairnError(
        'method-not-allowed',
        `${exchange.method} is not possible for a file here; use cairn push`,
        {
          details: { allow: 'GET, HEAD' },
        },
      );
    }
    const path = targetPathOf(exchange.path);
    // Before the lookup: a client without either scope must not learn which paths exist.
    checkAllows(authorization, authorization.scopes.includes('list') ? 'list' : 'read', path);
    const [found] = await published.content.lookup([path]);
    if (found === undefined) throw new CairnError('not-found', `there is nothing at "${printable(path)}"`);
    switch (found.entry.type) {
      case 'directory':
        checkAllows(authorization, 'list', path);
        if (!exchange.path.endsWith('/')) {
          await sendEmpty(exchange, 301, { 'Location': asDirectory(exchange), 'Cache-Control': 'no-cache' });
          return;
        }
        await sendDirectory(published, exchange, authorization.principal, path);
        return;
      case 'file':
        checkAllows(authorization, 'read', path);
        await sendFile(published, exchange, path, found);
        return;
      case 'symlink':
      case 'stream':
        throw new CairnError(
          'symlink-refused',
          `"${printable(path)}" is a symbolic link and is not followed`,
        );
    }
  };
}

/**
 * The same URL with a slash at its end, relative to itself, so that it works below the prefix of a proxy, too. Without
 * the redirect, a client other than cairn would save the list of a directory as a file of its name.
 */
function asDirectory({ path, query }: Exchange): string {
  return `./${path.slice(path.lastIndexOf('/') + 1)}/${query === '' ? '' : `?${query}`}`;
}

/** Makes the handler of `GET tree?path=P&recursive=0|1`, which answers with the tree at a path. */
export function createTreeHandler({ authorize }: Pick<Access, 'authorize'>, published: Published): Handler {
  return async (exchange) => {
    const query = new URLSearchParams(exchange.query);
    const path = targetPathOf(query.get('path') ?? '/');
    const { principal } = await authorize(exchange, 'list', path);
    const recursive = query.get('recursive') ?? '0';
    if (recursive !== '0' && recursive !== '1')
      throw new CairnError('invalid-request', 'recursive is 0 or 1');
    const depth = recursive === '1' ? undefined : 1;
    await sendTreeOf(published, exchange, principal, { path, depth });
  };
}

async function sendDirectory(
  published: Published,
  exchange: Exchange,
  principal: string,
  path: string,
): Promise<void> {
  if (exchange.method !== 'HEAD') return sendTreeOf(published, exchange, principal, { path, depth: 1 });
  exchange.response.writeHead(200, { 'Content-Type': NDJSON_TYPE });
  await end(exchange);
}

async function sendTreeOf(
  { content, scanLimiter, maxEntries }: Published,
  exchange: Exchange,
  principal: string,
  { path, depth }: { readonly path: string; readonly depth: 1 | undefined },
): Promise<void> {
  const wanted = { path, parameters: LISTING, maxEntries };
  const query: TreeQuery = depth === undefined ? wanted : { ...wanted, depth };
  await scanLimiter({ principal, signal: clientSignal(exchange) }, () => sendTree(exchange, content, query));
}

async function sendFile(
  published: Published,
  exchange: Exchange,
  path: string,
  { entry, identity }: ScannedEntry,
): Promise<void> {
  const { request, response, method } = exchange;
  const etag = `"${createHash('sha256').update(identity).digest('base64url').slice(0, 32)}"`;
  const version = { etag, modifiedSeconds: secondsOf(entry.mtimeNs) };
  for (const [name, value] of Object.entries(versionHeaders(version))) response.setHeader(name, value);
  response.setHeader('Accept-Ranges', 'bytes');
  const failed = failedCondition(request.headers, version);
  if (failed !== undefined) {
    await sendEmpty(exchange, failed);
    return;
  }
  const isAsked = method === 'GET' && allowsRange(request.headers, version, Date.now());
  const range = isAsked ? byteRangeOf(request.headers.range, entry.sizeBytes) : undefined;
  if (range === 'unsatisfiable') {
    await sendEmpty(exchange, 416, { 'Content-Range': `bytes */${entry.sizeBytes}` });
    return;
  }
  response.setHeader('Content-Type', 'application/octet-stream');
  if (range !== undefined) {
    response.setHeader('Content-Range', `bytes ${range.from}-${range.to - 1}/${entry.sizeBytes}`);
  }
  await sendBytes(published, exchange, { path, identity, range, sizeBytes: entry.sizeBytes });
}

/** Rounded down, also before 1970. */
function secondsOf(mtimeNs: bigint): number {
  const remainder = ((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S;
  return Number((mtimeNs - remainder) / NS_PER_S);
}

async function sendBytes(
  { content, onSent }: Published,
  exchange: Exchange,
  file: { path: string; identity: string; range: ByteRange | undefined; sizeBytes: number },
): Promise<void> {
  const { response } = exchange;
  const range = file.range ?? { from: 0, to: file.sizeBytes };
  const isHead = exchange.method === 'HEAD';
  const begin = (): void => {
    if (response.headersSent) return;
    response.writeHead(file.range === undefined ? 200 : 206, { 'Content-Length': range.to - range.from });
  };
  let sentBytes = 0;
  try {
    // A HEAD reads no bytes, and fails as a GET would.
    const wanted = isHead ? { from: 0, to: 0 } : range;
    for await (const bytes of lastOneLate(content.read(file.path, wanted, file.identity), wanted)) {
      begin();
      await write(exchange, bytes);
      sentBytes += bytes.byteLength;
    }
  } finally {
    onSent(sentBytes);
  }
  begin();
  await end(exchange);
}

/**
 * Yields the pieces of a range, the last one only once the read has ended well: the store notices at its end that a
 * file changed meanwhile, and a client whose answer is cut off there knows that it is not whole.
 */
async function* lastOneLate(
  pieces: AsyncIterable<Uint8Array>,
  { from, to }: ByteRange,
): AsyncGenerator<Uint8Array> {
  let last: Uint8Array | undefined;
  let at = from;
  for await (const piece of pieces) {
    at += piece.byteLength;
    if (at < to) yield piece;
    // A copy: the store may reuse the memory for its next read.
    else last = new Uint8Array(piece);
  }
  if (last !== undefined) yield last;
}
