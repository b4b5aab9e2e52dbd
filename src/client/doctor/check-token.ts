/** What the access token is good for at a server, and whether that is what the URL needs. */
import { accessName, accessPath, accessSentence } from '../../base/access-text.ts';
import { CairnError } from '../../base/errors.ts';
import { printable, targetPathOf } from '../../base/safe-path.ts';
import { WhoAmI } from '../../wire/admin-messages.ts';
import { ROUTE } from '../../wire/routes.ts';
import { PUSH_SCOPES } from '../../session/scopes.ts';
import { callJson, type Server } from '../http/server-calls.ts';
import { ok, problem, warning, type Finding } from './finding.ts';

const HOUR_MS = 3_600_000;
const MIB = 1024 * 1024;
const LEAST_FREE_BYTES = 64 * MIB;
const FEW_FREE_BYTES = 1024 * MIB;

/** What the server says of the token; undefined for a server that is too old to say. @throws CairnError */
export async function fetchWhoAmI(server: Server, signal: AbortSignal): Promise<WhoAmI | undefined> {
  try {
    return await server.access.run((headers) =>
      callJson(server, WhoAmI, 'the answer about the token', {
        method: 'GET',
        path: ROUTE.whoami(),
        headers,
        signal,
      }),
    );
  } catch (error) {
    if (error instanceof CairnError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/**
 * Whether the token is what transfers to and from a target need. `target` is percent-encoded.
 *
 * @param isRenewed whether another one takes its place by itself
 */
export function judgeToken(who: WhoAmI, target: string, isRenewed = false): Finding {
  const check = 'token';
  const { scopes, expiresAtMs, nowMs } = who;
  const access = { ...who, owner: who.principal };
  const name = accessName(access);
  if (!isWithin(targetPathOf(target), who.path)) {
    const message = `the ${name} is valid only ${accessPath(who.path)}`;
    return problem(check, 'forbidden', message, 'use a URL below that, or another token');
  }
  const allows = scopes.length === 0 ? 'nothing' : scopes.map(printable).join(', ');
  if (!scopes.includes('read') && !mayPush(scopes)) {
    const message = `the ${name} is for neither push nor pull; it allows: ${allows}`;
    return warning(check, message, 'ask an administrator for a token with the scope read or write');
  }
  const leftMs = expiresAtMs === null ? Infinity : expiresAtMs - nowMs;
  if (leftMs < HOUR_MS && !isRenewed) {
    const message = `the ${name} expires in ${Math.max(0, Math.round(leftMs / 60_000))} minutes`;
    return warning(check, message, 'get a new one in time, or use cairn login, which renews it');
  }
  return ok(check, `${accessSentence(access)}${isRenewed ? ', and renewed by itself' : ''}`);
}

/** A newer server may know of more scopes. */
function mayPush(scopes: readonly string[]): boolean {
  return PUSH_SCOPES.some((scope) => scopes.includes(scope));
}

/** Both are printable; a path that is not has been changed by that, and then nothing can be said. */
function isWithin(target: string, path: string): boolean {
  if (path === '' || path.includes('\\')) return true;
  return target === path || target.startsWith(`${path}/`);
}

/** Whether the server has room for what may be pushed. */
export function judgeSpace({ freeBytes, scopes }: WhoAmI): readonly Finding[] {
  if (freeBytes === null || !mayPush(scopes)) return [];
  const mib = Math.floor(freeBytes / MIB);
  const remedy = 'make room at the server; cairn sessions shows what unfinished transfers hold';
  if (freeBytes < LEAST_FREE_BYTES) {
    return [problem('space', 'storage-full', `only ${mib} MiB are free at the server`, remedy)];
  }
  if (freeBytes < FEW_FREE_BYTES) return [warning('space', `only ${mib} MiB are free at the server`, remedy)];
  return [ok('space', `${Math.floor(mib / 1024)} GiB are free at the server`)];
}
