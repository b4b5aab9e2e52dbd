/** `POST tree`: makes a directory, or removes or moves published entries, without a transfer. */
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

/** Changes at a time on one server: to remove a tree occupies descriptors and the disk for as long as a scan. */
const AT_A_TIME = { max: 32, maxOfPrincipal: 8, waitMs: 20_000 };

/** What {@link createTreeChangeHandler} needs. */
export interface Changing {
  readonly content: Pick<ContentStore, 'makeDirectory' | 'remove' | 'move'>;
  /** Longest request, in bytes. */
  readonly maxJsonBytes: number;
  readonly log: Logger;
}

/** Makes the handler that makes one change; the change is durable before the answer. */
export function createTreeChangeHandler(
  { authenticate }: Pick<Access, 'authenticate'>,
  { content, maxJsonBytes, log }: Changing,
): Handler {
  const limiter = createLimiter(AT_A_TIME, 'changes');
  const limit = { maxBytes: maxJsonBytes, what: 'the change' };
  return async (exchange) => {
    const authorization = await authenticate(exchange);
    const change = await readJson(exchange, TreeChange, limit);
    // The holder of a grant may bring files, but is not trusted with those that are there.
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

/** Refuses changes of the root, of the root of an access token, and of cairn's own names. */
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
