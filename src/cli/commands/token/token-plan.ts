/** The words of `cairn token` → plans. Pure. */
import { resolve } from 'node:path';
import { CairnError } from '../../../base/errors.ts';
import { checkRelativePath } from '../../../base/safe-path.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { SCOPES, type Scope } from '../../../session/scopes.ts';
import { OWNER_NAME, TOKEN_NAME } from '../../../server/access/kept-token.ts';
import { absolutePath } from '../../process/shown-command.ts';
import { stateOf } from '../serve/serve-plan.ts';
import { parseChoice, parseCount } from '../../options/count.ts';
import { parseDuration } from '../../options/duration.ts';
import { parseSize } from '../../options/size.ts';
import { usage } from '../../options/usage.ts';

/** Which server's tokens are meant, as commander hands it over. */
export interface StateWords {
  readonly root?: string;
  readonly state?: string;
}

/** The options of `token create` as commander hands them over. */
export interface TokenWords extends StateWords {
  readonly owner?: string;
  /** One for each time that the option was given. */
  readonly scope?: readonly string[];
  readonly path?: string;
  readonly expires?: string;
  readonly quotaBytes?: string;
  readonly quotaSessions?: string;
  readonly tokenOut?: string;
  readonly json?: boolean;
}

/** What `token create` was told to make. Paths of files are absolute. */
export interface TokenPlan {
  readonly name: string;
  readonly owner: string;
  readonly scopes: Scope[];
  /** Safe relative path; empty for everything. */
  readonly path: string;
  readonly expiresInMs: number | undefined;
  readonly quota: Authorization['quota'];
  /** Where the secret goes; undefined: to standard output. */
  readonly tokenOut: string | undefined;
  readonly json: boolean;
}

/** Administration has to be asked for. */
const DEFAULT_SCOPES: readonly Scope[] = ['read', 'write', 'list'];
const DAY_MS = 86_400_000;
const EXPIRY_RANGE_MS = { minMs: 1000, maxMs: 3650 * DAY_MS };
const SESSIONS_RANGE = { min: 1, max: 999_999_999 };
const BYTES_RANGE = { min: 1, max: Number.MAX_SAFE_INTEGER };

/** The state directory that is meant, by the rule of `serve`. @throws CairnError `usage`, `config-invalid` */
export function stateDirectoryOf({ root, state }: StateWords): string {
  if (root !== undefined && root !== '') return stateOf(resolve(root), state);
  if (state !== undefined && state !== '') return resolve(state);
  throw usage(
    'token needs --root, the directory that the server serves, or --state, the directory of its state',
    'cairn token list --root /srv/files',
  );
}

/** Validates what `token create` was told. @throws CairnError `usage`, what an unsafe path throws */
export function planToken(name: string, words: TokenWords): TokenPlan {
  const { owner = name, expires, tokenOut } = words;
  const example = 'cairn token create backup --root /srv/files';
  if (!TOKEN_NAME.test(name))
    throw usage(`the name of a token is 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-", not "${name}"`, example);
  if (!OWNER_NAME.test(owner))
    throw usage(`--owner takes 1 to 256 visible characters without blanks, not "${owner}"`, '--owner alice');
  if (tokenOut === '') throw usage('--token-out takes a file', '--token-out ~/backup.token');
  return {
    name,
    owner,
    scopes: scopesOf(words.scope),
    path: pathOf(words.path),
    expiresInMs: expires === undefined ? undefined : parseDuration('--expires', expires, EXPIRY_RANGE_MS),
    quota: quotaOf(words),
    tokenOut: tokenOut === undefined ? undefined : absolutePath(tokenOut),
    json: words.json ?? false,
  };
}

function scopesOf(words: readonly string[] | undefined): Scope[] {
  if (words === undefined) return [...DEFAULT_SCOPES];
  const asked = words.flatMap((word) => word.split(',')).map((word) => parseChoice('--scope', word, SCOPES));
  return SCOPES.filter((scope) => asked.includes(scope));
}

/** As in the URL after its host, but not percent-encoded. */
function pathOf(word: string | undefined): string {
  if (word === undefined) return '';
  if (!word.startsWith('/'))
    throw usage(`--path takes a path that begins with "/", not "${word}"`, '--path /backups');
  try {
    return checkRelativePath(word.slice(1).replace(/\/$/, ''));
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    throw new CairnError(error.code, `--path: ${error.message}`, { cause: error });
  }
}

function quotaOf({ quotaBytes, quotaSessions }: TokenWords): TokenPlan['quota'] {
  if (quotaBytes === undefined && quotaSessions === undefined) return undefined;
  const bytes =
    quotaBytes === undefined ? {} : { bytes: parseSize('--quota-bytes', quotaBytes, BYTES_RANGE) };
  const sessions =
    quotaSessions === undefined
      ? {}
      : { sessions: parseCount('--quota-sessions', quotaSessions, SESSIONS_RANGE) };
  return { ...bytes, ...sessions };
}
