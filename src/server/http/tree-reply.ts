/** Answers with trees: sends entries as the scan finds them. */
import type { ContentStore } from '../../storage/content-store.ts';
import { encodeTail } from '../../wire/tree-stream.ts';
import { scanTree, type TreeQuery } from '../core/scan-tree.ts';
import type { Exchange } from './exchange.ts';
import { end, NDJSON_TYPE, write } from './reply.ts';

/** Starts an answer that carries a tree. */
export function beginTree({ response }: Exchange): void {
  response.writeHead(200, { 'Content-Type': NDJSON_TYPE });
  response.flushHeaders();
}

/** Scans a tree into an answer. Throws failures; after the first entry the caller can only cut the answer off. */
export async function sendTree(exchange: Exchange, content: ContentStore, query: TreeQuery): Promise<void> {
  const onLines = (lines: string): Promise<void> => {
    if (!exchange.response.headersSent) beginTree(exchange);
    return write(exchange, lines);
  };
  const tree = await scanTree(content, query, { keep: false, onLines });
  await end(exchange, Buffer.from(encodeTail(tree.manifest.id, tree.notices)));
}
