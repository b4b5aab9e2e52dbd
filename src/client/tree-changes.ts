/** `cairn rm`, `mv` and `mkdir`: changes of what is published, without a transfer. */
import { CairnError } from '../base/errors.ts';
import { targetPathOf } from '../base/safe-path.ts';
import { Empty } from '../wire/messages.ts';
import { ROUTE } from '../wire/routes.ts';
import type { TreeChange } from '../wire/tree-change.ts';
import { callJson, type Server } from './http/server-calls.ts';
import { list } from './list.ts';
import type { ReachOptions } from './options.ts';
import { openContext } from './transfer/transfer-context.ts';

/**
 * Makes a directory at the URL; with `parents` also what is missing above, and nothing where it is there.
 *
 * @throws CairnError `already-exists`, `not-found`, `not-directory`, `forbidden`, storage and network codes
 */
export function makeDirectory(options: ReachOptions, { parents }: { parents: boolean }): Promise<void> {
  return change(options, ({ target }) => ({ action: 'mkdir', path: target, parents }), 'already-exists');
}

/**
 * Removes what is at the URL; a directory that is not empty only with `recursive`.
 *
 * @throws CairnError `not-found`, `is-directory`, `forbidden`, storage and network codes
 */
export function remove(options: ReachOptions, { recursive }: { recursive: boolean }): Promise<void> {
  return change(options, ({ target }) => ({ action: 'remove', path: target, recursive }), 'not-found');
}

/**
 * Moves what is at the URL to another one of the same server; below that, under its own name, where it is a directory.
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
    // Whoever may not look there says exactly where it goes.
    if (error instanceof CairnError && ['not-found', 'forbidden'].includes(error.code)) return to.pathname;
    throw error;
  }
}

/** A path of a URL as the server knows it, which may be served below a prefix: as much is cut off as of the other one. */
function within(url: URL, target: string, path: string): string {
  const prefix = url.pathname.slice(0, url.pathname.length - target.length);
  const inner = path.startsWith(prefix) ? path.slice(prefix.length) : path;
  targetPathOf(inner);
  return inner;
}

/** @param done what a try that is made again is told where the one before it has arrived, and only its answer was lost */
async function change(
  options: ReachOptions,
  changeOf: (server: Server) => TreeChange,
  done: 'not-found' | 'already-exists',
): Promise<void> {
  const { server, retrier, signal, close } = await openContext({ ...options, parallel: 1 });
  try {
    await retrier.run(async (attempt) => {
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
        if (attempt === 0 || !(error instanceof CairnError) || error.code !== done) throw error;
      }
    });
  } finally {
    await close();
  }
}
