/** `POST tree`: a directory is made, or what is published is removed or moved, without a transfer. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { isReservedName, printable, targetPathOf } from '../../../base/safe-path.ts';
import { TreeChange } from '../../../wire/tree-change.ts';
import { checkAllows } from '../../../session/authorization.ts';
import { createLimiter } from '../../core/limiter.ts';
import type { Access } from '../../http/authorize.ts';
import { clientSignal } from '../../http/client-signal.ts';
import type { Handler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';

/** Changes that one server makes at a time: to remove a tree takes descriptors, and the disk, for as long as a scan. */
const AT_A_TIME = { max: 32, maxOfPrincipal: 8, waitMs: 20_000 };

/** What is changed. */
export interface Changing {
  readonly content: Pick<ContentStore, 'makeDirectory' | 'remove' | 'move'>;
  /** Longest request, in bytes. */
  readonly maxJsonBytes: number;
  readonly log: Logger;
}

/** Makes what makes one change; it is durable when it is answered. */
export function createTreeChangeHandler(
  { authenticate }: Pick<Access, 'authenticate'>,
  { content, maxJsonBytes, log }: Changing,
): Handler {
  const limiter = createLimiter(AT_A_TIME, 'changes');
  const limit = { maxBytes: maxJsonBytes, what: 'the change' };
  return async (exchange) => {
    const authorization = await authenticate(exchange);
    const change = await readJson(exchange, TreeChange, limit);
    // Whoever was given one may bring something, and need not be trusted with what is there.
    if (authorization.id.startsWith('grant:'))
      throw new CairnError('forbidden', 'a transfer grant allows transfers only; this needs an access token');
    const path = targetPathOf(change.path);
    const to = change.action === 'move' ? targetPathOf(change.to) : undefined;
    for (const each of to === undefined ? [path] : [path, to]) {
      checkAllows(authorization, 'write', each);
      refuseOwn(each, authorization.pathPrefix);
    }
    const { id: by, principal } = authorization;
    await limiter({ principal, signal: clientSignal(exchange) }, () => carryOut(content, change, path, to));
    const { action } = change;
    const fields = { principal, by, from: exchange.address, action, target: printable(path) };
    log.info({ ...fields, ...(to === undefined ? {} : { to: printable(to) }) }, 'tree changed');
    await sendJson(exchange, 200, {});
  };
}

/** The root, that of an access token, and what is cairn's own stay as they are. */
function refuseOwn(path: string, pathPrefix: string): void {
  if (path === '' || path === pathPrefix || isReservedName(path))
    throw new CairnError('path-reserved', `"/${printable(path)}" itself stays as it is`);
}

async function carryOut(
  content: Changing['content'],
  change: TreeChange,
  path: string,
  to: string | undefined,
): Promise<void> {
  if (change.action === 'mkdir') await content.makeDirectory(path, { parents: change.parents ?? false });
  else if (change.action === 'remove') await content.remove(path, { recursive: change.recursive ?? false });
  else await content.move(path, to!, { replace: change.replace ?? false });
}
