/**
 * `POST tree-id`: the id of what is at a target. Whoever is about to push asks for it while he scans his own tree; where
 * both are the same, there is nothing to transfer, and no need for a session that finds that out entry by entry.
 */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { printable, targetPathOf } from '../../../base/safe-path.ts';
import { createManifestHash, TREE_ID_PARAMETERS } from '../../../manifest/manifest.ts';
import { TreeIdRequest, type TreeIdReply } from '../../../wire/tree-id-messages.ts';
import { mayCompare } from '../../../session/scopes.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { createLimiter } from '../../core/limiter.ts';
import { checkAllowsSession } from '../../core/sessions/renewal.ts';
import type { Access } from '../../http/authorize.ts';
import { clientSignal } from '../../http/client-signal.ts';
import type { Handler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';

/** Trees that one server looks at for this at a time; whoever is refused has another way. */
const AT_A_TIME = { max: 4, maxOfPrincipal: 2 };

/** What trees are looked at in. */
export interface TreeIds {
  readonly content: Pick<ContentStore, 'scan' | 'settle'>;
  /** Longest request, in bytes. */
  readonly maxJsonBytes: number;
  readonly log: Logger;
}

/**
 * Makes what answers the id of a tree. What it tells is less than the comparison that a push of the same principal is
 * told.
 */
export function createTreeIdHandler(
  { authenticateAnswer }: Pick<Access, 'authenticateAnswer'>,
  { content, maxJsonBytes, log }: TreeIds,
): Handler {
  const limiter = createLimiter(AT_A_TIME, 'tree-ids');
  const limit = { maxBytes: maxJsonBytes, what: 'the request for a tree id' };
  return async (exchange) => {
    const authorization = await authenticateAnswer(exchange);
    const request = await readJson(exchange, TreeIdRequest, limit);
    const target = targetPathOf(request.target);
    checkAllowsSession(authorization, { direction: 'push', target });
    const { id: by, principal } = authorization;
    const signal = clientSignal(exchange);
    await limiter({ principal, signal }, async () => {
      const mayKnow = mayCompare(authorization.scopes);
      const reply: TreeIdReply = { id: mayKnow ? await treeIdOf(content, target, signal) : null };
      const fields = { principal, by, from: exchange.address, target: printable(target), id: reply.id };
      log.info(fields, 'tree looked at');
      await sendJson(exchange, 200, reply);
    });
  };
}

async function treeIdOf(
  content: TreeIds['content'],
  target: string,
  signal: AbortSignal,
): Promise<string | null> {
  const hash = createManifestHash(TREE_ID_PARAMETERS);
  let isWhole = true;
  try {
    for await (const batch of content.scan(target, { onNotice: () => (isWhole = false) })) {
      if (!isWhole) return null;
      // Whoever does not wait any longer asks in another way.
      if (signal.aborted) throw new CairnError('network', 'the client is gone');
      hash.add(batch.map(({ entry }) => entry));
    }
  } catch (error) {
    if (error instanceof CairnError && error.code === 'not-found') return null;
    throw error;
  }
  // Whoever hears that everything is there will rely on it: a push that is being published, or another program, may just
  // have brought it.
  return isWhole && (await content.settle()) ? hash.finish().id : null;
}
