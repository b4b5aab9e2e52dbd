/**
 * `POST tree-id`: the id of the tree at a target. A client that is about to push asks for it while it scans its own
 * tree; where both ids are the same there is nothing to transfer, and no need for a session that compares every entry.
 */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { printable, targetPathOf } from '../../../base/safe-path.ts';
import { createLinkFinder } from '../../../manifest/hard-links.ts';
import type { MetadataKind } from '../../../manifest/metadata.ts';
import { createManifestHash, TREE_ID_PARAMETERS } from '../../../manifest/manifest.ts';
import { TreeIdRequest, type TreeIdReply } from '../../../wire/tree-id-messages.ts';
import { mayCompare } from '../../../session/scopes.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { createLimiter } from '../../core/limiter.ts';
import type { MetadataPolicy } from '../../core/metadata-policy.ts';
import { checkAllowsSession } from '../../core/sessions/renewal.ts';
import type { Access } from '../../http/authorize.ts';
import { clientSignal } from '../../http/client-signal.ts';
import type { Handler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';

/** Trees at a time on one server; a client that is refused compares by a session. */
const AT_A_TIME = { max: 4, maxOfPrincipal: 2 };

/** What {@link createTreeIdHandler} needs. */
export interface TreeIds {
  readonly content: Pick<ContentStore, 'scan' | 'settle'>;
  readonly metadata: Pick<MetadataPolicy, 'agree'>;
  /** Longest request, in bytes. */
  readonly maxJsonBytes: number;
  readonly log: Logger;
}

/**
 * Makes the handler that answers with the id of a tree. The id tells less than the comparison that a push of the same
 * principal gets.
 */
export function createTreeIdHandler(
  { authenticateAnswer }: Pick<Access, 'authenticateAnswer'>,
  { content, metadata, maxJsonBytes, log }: TreeIds,
): Handler {
  const limiter = createLimiter(AT_A_TIME, 'tree-ids');
  const limit = { maxBytes: maxJsonBytes, what: 'the request for a tree id' };
  return async (exchange) => {
    const authorization = await authenticateAnswer(exchange);
    const request = await readJson(exchange, TreeIdRequest, limit);
    const target = targetPathOf(request.target);
    checkAllowsSession(authorization, { target, pass: { direction: 'push' } });
    const { id: by, principal } = authorization;
    const signal = clientSignal(exchange);
    await limiter({ principal, signal }, async () => {
      const mayKnow = mayCompare(authorization.scopes);
      const { metadata: wished = [] } = request;
      const kinds = metadata.agree('push', wished, authorization);
      const isTellable = mayKnow && kinds.length === wished.length;
      const reply: TreeIdReply = {
        id: isTellable ? await treeIdOf(content, target, { kinds, signal }) : null,
      };
      const fields = { principal, by, from: exchange.address, target: printable(target), id: reply.id };
      log.info(fields, 'tree looked at');
      await sendJson(exchange, 200, reply);
    });
  };
}

async function treeIdOf(
  content: TreeIds['content'],
  target: string,
  { kinds, signal }: { readonly kinds: readonly MetadataKind[]; readonly signal: AbortSignal },
): Promise<string | null> {
  const metadata = kinds.length === 0 ? undefined : kinds;
  const hash = createManifestHash({ ...TREE_ID_PARAMETERS, metadata });
  const linked = createLinkFinder();
  let isWhole = true;
  try {
    for await (const batch of content.scan(target, { onNotice: () => (isWhole = false), metadata })) {
      if (!isWhole) return null;
      // A client that has stopped waiting compares by a session.
      if (signal.aborted) throw new CairnError('network', 'the client closed the connection');
      hash.add(batch.map((found) => linked(found, found.entry.path)));
    }
  } catch (error) {
    if (error instanceof CairnError && error.code === 'not-found') return null;
    throw error;
  }
  // A client relies on an id that agrees. A push or another program may just have written these files, so they are made
  // durable first.
  return isWhole && (await content.settle()) ? hash.finish().id : null;
}
