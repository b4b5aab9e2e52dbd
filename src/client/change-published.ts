/** `cairn rm`, `mv` and `mkdir`: changes of the published tree, without a transfer. */
import type { ReachOptions } from './api/reach.ts';
import { CairnError } from '../base/errors.ts';
import { printable, targetPathOf } from '../base/safe-path.ts';
import { Empty } from '../wire/messages.ts';
import { ROUTE } from '../wire/routes.ts';
import type { TreeChange } from '../wire/tree-change.ts';
import { callJson, type Server } from './http/server-calls.ts';
import { list } from './list.ts';
import { openContext } from './transfer/transfer-context.ts';

/**
 * Makes a directory at the URL; with `parents` also the missing ones above, and none where it is there.
 *
 * @throws CairnError `already-exists`, `not-found`, `not-directory`, `forbidden`, storage and network codes
 */
export function makeDirectory(options: ReachOptions, { parents }: { parents: boolean }): Promise<void> {
  return change(options, ({ target }) => ({ action: 'mkdir', path: target, parents }), 'already-exists');
}

/**
 * Removes the entry at the URL; a directory that is not empty only with `recursive`.
 *
 * @throws CairnError `not-found`, `is-directory`, `forbidden`, storage and network codes
 */
export function remove(options: ReachOptions, { recursive }: { recursive: boolean }): Promise<void> {
  return change(options, ({ target }) => ({ action: 'remove', path: target, recursive }), 'not-found');
}

/**
 * Moves the entry at the URL to another one of the same server; below that, under its own name, where it is a directory.
 *
 * @throws CairnError `usage` for another server, `not-found`, `already-exists`, `forbidden`, storage and network codes
 */
export async function move(
  options: ReachOptions,
  to: URL,
  { replace }: { replace: boolean },
): Promise<string> {
  if (to.origin !== options.url.origin)
    throw new CairnError('usage', 'both URLs have to be of the same server; pull and push copy between two');
  const path = await landingOf(options, to);
  await change(
    options,
    ({ target }) => ({ action: 'move', path: target, to: within(options.url, target, path), replace }),
    'not-found',
  );
  return path;
}

/** The path, as in a URL, where a thing goes that is moved to a URL. */
async function landingOf(options: ReachOptions, to: URL): Promise<string> {
  const name = options.url.pathname.replace(/\/$/, '').split('/').at(-1) ?? '';
  const below = `${to.pathname.replace(/\/$/, '')}/${name}`;
  if (to.pathname.endsWith('/')) return below;
  try {
    const { entries } = await list({ ...options, url: to }, { recursive: false });
    return entries.at(0)?.type === 'directory' ? below : to.pathname;
  } catch (error) {
    // A user who may not look there has to say exactly where it goes.
    if (error instanceof CairnError && ['not-found', 'forbidden'].includes(error.code)) return to.pathname;
    throw error;
  }
}

/**
 * A path of a URL as the server knows it, which may be served below a prefix: as much is cut off as of the other one.
 *
 * @throws CairnError `usage` for a path outside of the prefix, path codes
 */
function within(url: URL, target: string, path: string): string {
  const { pathname } = url;
  // The root itself may have been named without the slash at its end.
  const prefix = pathname.endsWith(target) ? pathname.slice(0, -target.length) : pathname;
  if (!path.startsWith(`${prefix}/`)) {
    const message = `"${printable(path)}" is outside of the server's own space, which is everything below "${prefix}/"`;
    throw new CairnError('usage', message);
  }
  const inner = path.slice(prefix.length);
  targetPathOf(inner);
  return inner;
}

/** What a request that may have arrived fails with: its answer was lost, or something on the way has answered in its place. */
function mayHaveArrived({ code, details }: CairnError): boolean {
  const isLost = code === 'network' || code === 'timeout' || details['isForeign'] === true;
  return isLost && details['isUnconnected'] !== true;
}

/** @param done what a try that is made again is told where one before it has arrived, and only its answer was lost */
async function change(
  options: ReachOptions,
  changeOf: (server: Server) => TreeChange,
  done: 'not-found' | 'already-exists',
): Promise<void> {
  const { server, retrier, signal, close } = await openContext({ ...options, parallel: 1 });
  try {
    let isPerhapsDone = false;
    await retrier.run(async () => {
      try {
        await server.access.run((headers) =>
          callJson(server, Empty, 'the answer to the change', {
            method: 'POST',
            path: ROUTE.changes(),
            json: changeOf(server),
            headers,
            signal,
          }),
        );
      } catch (error) {
        if (!(error instanceof CairnError)) throw error;
        if (isPerhapsDone && error.code === done) return;
        isPerhapsDone ||= mayHaveArrived(error);
        throw error;
      }
    });
  } finally {
    await close();
  }
}
