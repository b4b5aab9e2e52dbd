/** What is at the target of a push, as the listing of the server tells it. */
import { posix } from 'node:path';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { EntryList } from '../../manifest/entry-table.ts';
import { ROUTE } from '../../wire/routes.ts';
import { readTree, type Notice } from '../../wire/tree-stream.ts';
import { call, type Server } from '../http/server-calls.ts';
import type { Below, ThereNow } from './dry-run-conflicts.ts';

/** More links in a row lead nowhere. */
const MAX_LINKS = 40;

const UNKNOWN: ThereNow = { ...thereListed(undefined, []), isKnown: false };

/** Asks the server for the entries at the target of a push; a token may not be allowed to know. */
export async function lookAtServer(server: Server, signal: AbortSignal): Promise<ThereNow> {
  try {
    const { manifest, notices } = await server.access.run(async (headers) => {
      const path = ROUTE.tree(server.target, true);
      return readTree((await call(server, { method: 'GET', path, headers, signal })).body);
    });
    return thereListed(manifest.entries, notices);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CairnError)) throw error;
    return error.code === 'not-found' ? thereListed(undefined, []) : UNKNOWN;
  }
}

/** What a listing tells; undefined for one of nothing. */
function thereListed(entries: EntryList | undefined, notices: readonly Notice[]): ThereNow {
  const indices = new Map<string, number>();
  for (let index = 0; index < (entries?.length ?? 0); index += 1) {
    indices.set(entries!.pathOf(index), index);
  }
  const isOther = ({ code }: Notice): boolean => code === 'source-unsupported';
  const unsupported = new Set(notices.filter(isOther).map(({ path }) => path));
  const typeOf: ThereNow['typeOf'] = (path) => {
    const index = indices.get(path);
    return index === undefined ? undefined : entries?.typeOf(index);
  };
  const lead = (path: string, links: number): boolean | undefined => {
    const index = indices.get(path);
    const entry = index === undefined ? undefined : entries?.at(index);
    if (entry?.type !== 'symlink') return entry?.type === 'directory';
    const to = posix.join(parentOf(path), entry.linkTarget);
    const isOutside = posix.isAbsolute(entry.linkTarget) || to === '..' || to.startsWith('../');
    if (isOutside) return undefined;
    return links < MAX_LINKS && lead(to === '.' ? '' : to.replace(/\/$/, ''), links + 1);
  };
  return {
    isKnown: true,
    typeOf,
    isUnsupported: (path) => unsupported.has(printable(path)),
    below: async (path) => {
      const above = `${printable(path)}/`;
      return {
        entries: entries === undefined ? [] : entriesBelow(entries, path, indices.get(path)),
        hasMore: notices.some((notice) => notice.path.startsWith(above)),
      };
    },
    leadsToDirectory: async (path) => lead(path, 0),
  };
}

/** What is below the directory at `index`: the entries right after it. */
function entriesBelow(entries: EntryList, path: string, index: number | undefined): Below[] {
  const below: Below[] = [];
  for (let at = (index ?? entries.length) + 1; at < entries.length; at += 1) {
    if (!entries.pathOf(at).startsWith(`${path}/`)) break;
    below.push(entries.at(at)!);
  }
  return below;
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
