/** Where a server is behind a proxy that passes the URL itself to another server, or changes its path. */
import type { ReachOptions } from '../api/reach.ts';
import { CairnError, type ErrorCode } from '../../base/errors.ts';
import { checkProtocolMajor, Hello } from '../../wire/messages.ts';
import { parseJsonMessage } from '../../wire/parse-message.ts';
import { PROTOCOL_ROOT, PROTOCOL_VERSION } from '../../wire/routes.ts';
import { openConnection, type Connection } from '../http/connection.ts';
import { problem, type Finding } from './finding.ts';

/** What a wrong prefix looks like. */
const SIGNS = new Set<ErrorCode>([
  'not-a-cairn-server',
  'redirect-refused',
  'network',
  'not-found',
  'path-unsafe',
]);
const MAX_PREFIXES = 8;
const MAX_HELLO_BYTES = 64 * 1024;

/**
 * Looks for the server at each directory above the URL, where nothing of it was found at the URL itself. Nothing secret
 * is sent.
 *
 * @param found what was found so far, the last of it a problem
 * @returns `found`, or in place of its problem one that says where the server is
 */
export async function lookElsewhere(
  { url, signal, guard, tls, proxy }: ReachOptions,
  found: readonly Finding[],
): Promise<readonly Finding[]> {
  const { code } = found.at(-1) ?? {};
  if (code === undefined || !SIGNS.has(code)) return found;
  const connection = await openConnection(url, { connections: 1, guard, tls, proxy });
  try {
    for (const prefix of prefixesOf(url)) {
      // oxlint-disable-next-line no-await-in-loop -- the first that fits is meant
      if (await isServer(connection, new URL(`${prefix}${PROTOCOL_ROOT}`, url), signal))
        return [...found.slice(0, -1), elsewhere(url, prefix, code)];
    }
    return found;
  } finally {
    await connection.close();
  }
}

/** `/`, `/a/`, `/a/b/`, …: the longest first. */
function prefixesOf({ pathname }: URL): string[] {
  const names = pathname.split('/').filter((name) => name !== '');
  const all = [...names.keys(), names.length].map((length) => ['', ...names.slice(0, length), ''].join('/'));
  return all.toReversed().slice(-MAX_PREFIXES);
}

async function isServer(connection: Connection, root: URL, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await connection.request({ method: 'GET', url: root, signal });
    const hello = parseJsonMessage(Hello, await answer.text(MAX_HELLO_BYTES), 'the greeting of the server');
    checkProtocolMajor(hello.protocol.major, PROTOCOL_VERSION.major);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CairnError) return false;
    throw error;
  }
}

function elsewhere({ pathname }: URL, prefix: string, code: ErrorCode): Finding {
  const message = `a cairn server answers below "${prefix}", but not for "${pathname}": a proxy passes only a part of its paths on, or changes them`;
  const remedy = `have the proxy pass everything below "${prefix}" on, with a slash at the end of both (nginx: location ${prefix} { proxy_pass http://SERVER/; })`;
  return problem('server', code, message, remedy);
}
