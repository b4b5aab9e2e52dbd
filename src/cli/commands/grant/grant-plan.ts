/** The words of `cairn grant` → a plan. Pure. */
import { MAX_GRANT_MS } from '../../../wire/grant-messages.ts';
import { SESSION_ID_PATTERN } from '../../../wire/messages.ts';
import type { PushScope } from '../../../session/scopes.ts';
import { absolutePath } from '../../process/shown-command.ts';
import type { TransferWords } from '../../options/transfer-settings.ts';
import { parseDuration } from '../../options/duration.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import { parseSize } from '../../options/size.ts';
import { usage } from '../../options/usage.ts';

/** The options as commander hands them over. */
export interface GrantWords extends TransferWords {
  readonly push?: boolean;
  readonly append?: boolean;
  readonly drop?: boolean;
  readonly pull?: boolean;
  readonly expires?: string;
  readonly maxBytes?: string;
  readonly out?: string;
  readonly list?: boolean;
  readonly revoke?: string;
}

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
const DEFAULT_EXPIRY = '24h';

/** Validates the words. @throws CairnError `usage`, what a URL that cannot be a target throws */
export function planGrant(word: string, words: GrantWords): GrantPlan {
  const url = parseServerUrl(word);
  const { append = false, drop = false, pull = false, list = false, revoke } = words;
  // Each says that it is about a push, with or without the word.
  const push = words.push === true || append || drop;
  const asked = [push, pull, list, revoke !== undefined].filter(Boolean).length;
  if (asked !== 1 || (append && drop))
    throw usage('grant takes one of --push, --append, --drop, --pull, --list and --revoke', EXAMPLE);
  const scope = append ? 'append' : drop ? 'drop' : undefined;
  if (!push && !pull) {
    const surplus = (['expires', 'maxBytes', 'out'] as const).find((name) => words[name] !== undefined);
    if (surplus !== undefined)
      throw usage('--expires, --max-bytes and --out need --push, --append, --drop or --pull', EXAMPLE);
  }
  if (list) return { url, what: 'list' };
  if (revoke !== undefined) {
    if (SESSION_ID_PATTERN.test(revoke)) return { url, what: 'revoke', id: revoke };
    throw usage(`--revoke takes the id of a grant, not "${revoke}"`, `cairn grant --list ${url.origin}`);
  }
  return { url, what: 'issue', direction: push ? 'push' : 'pull', scope, ...issueOf(words, push) };
}

function issueOf({ expires = DEFAULT_EXPIRY, maxBytes, out }: GrantWords, push: boolean) {
  if (maxBytes !== undefined && !push)
    throw usage('--max-bytes needs --push, --append or --drop', `${EXAMPLE} --max-bytes 10G`);
  if (out === '') throw usage('--out takes a file', `${EXAMPLE} --out alice.grant`);
  const bytesRange = { min: 1, max: Number.MAX_SAFE_INTEGER };
  return {
    expiresInMs: parseDuration('--expires', expires, { minMs: 1000, maxMs: MAX_GRANT_MS }),
    maxBytes: maxBytes === undefined ? undefined : parseSize('--max-bytes', maxBytes, bytesRange),
    out: out === undefined ? undefined : absolutePath(out),
  };
}
