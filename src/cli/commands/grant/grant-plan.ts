/** What the words of `cairn grant` mean together. Pure. */
import { SESSION_ID_PATTERN } from '../../../wire/messages.ts';
import type { PushScope } from '../../../session/scopes.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import { usage } from '../../options/usage.ts';
import type { GrantValues } from './grant-command.ts';

/** What `cairn grant` was told to do. */
export type GrantPlan = { readonly url: URL } & (
  | {
      readonly what: 'issue';
      readonly direction: 'push' | 'pull';
      /** Of a push. */
      readonly scope: PushScope | undefined;
      readonly expiresInMs: number;
      readonly maxBytes: number | undefined;
      /** Absolute path of a new file for the grant; undefined: to standard output. */
      readonly out: string | undefined;
    }
  | { readonly what: 'list' }
  | { readonly what: 'revoke'; readonly id: string }
);

const EXAMPLE = 'cairn grant https://files.example.org/inbox/alice --push --expires 24h';
const DAY_MS = 86_400_000;

/** Validates the words. @throws CairnError `usage`, what a URL that cannot be a target throws */
export function planGrant(word: string, values: GrantValues): GrantPlan {
  const url = parseServerUrl(word);
  const { append, drop, pull, list, revoke, maxBytes } = values;
  // Each says that it is about a push, with or without the word.
  const push = values.push || append || drop;
  const asked = [push, pull, list, revoke !== undefined].filter(Boolean).length;
  if (asked !== 1 || (append && drop))
    throw usage('grant takes one of --push, --append, --drop, --pull, --list and --revoke', EXAMPLE);
  const scope = append ? 'append' : drop ? 'drop' : undefined;
  if (!push && !pull) {
    const surplus = (['expires', 'maxBytes', 'out'] as const).find((name) => values[name] !== undefined);
    if (surplus !== undefined)
      throw usage('--expires, --max-bytes and --out need --push, --append, --drop or --pull', EXAMPLE);
  }
  if (list) return { url, what: 'list' };
  if (revoke !== undefined) {
    if (SESSION_ID_PATTERN.test(revoke)) return { url, what: 'revoke', id: revoke };
    throw usage(`--revoke takes the id of a grant, not "${revoke}"`, `cairn grant --list ${url.origin}`);
  }
  if (maxBytes !== undefined && !push)
    throw usage('--max-bytes needs --push, --append or --drop', `${EXAMPLE} --max-bytes 10G`);
  const { expires: expiresInMs = DAY_MS, out } = values;
  return { url, what: 'issue', direction: push ? 'push' : 'pull', scope, expiresInMs, maxBytes, out };
}
