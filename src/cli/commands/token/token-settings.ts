/** What the words of `cairn token` mean together. Pure. */
import { resolve } from 'node:path';
import { OWNER_NAME, TOKEN_NAME } from '../../../server/access/kept-token.ts';
import type { Authorization } from '../../../session/authorization.ts';
import type { Scope } from '../../../session/scopes.ts';
import { stateOf } from '../../access/served-directories.ts';
import { usage } from '../../options/usage.ts';
import type { StateValues, TokenValues } from './token-command.ts';

/** What `token create` was told to make. */
export interface TokenSettings {
  readonly name: string;
  readonly owner: string;
  readonly scopes: Scope[];
  /** Safe relative path; empty for everything. */
  readonly path: string;
  readonly expiresInMs: number | undefined;
  readonly quota: Authorization['quota'];
}

/** Administration has to be asked for. */
const DEFAULT_SCOPES: readonly Scope[] = ['read', 'write', 'list'];

/** The state directory that is meant, by the rule of `serve`. @throws CairnError `usage`, `config-invalid` */
export function stateDirectoryOf({ root, state }: Pick<StateValues, 'root' | 'state'>): string {
  if (root !== undefined) return stateOf(resolve(root), state);
  if (state !== undefined) return resolve(state);
  throw usage(
    'token needs --root, the directory that the server serves, or --state, the directory of its state',
    'cairn token list --root /srv/files',
  );
}

/** Validates what `token create` was told. @throws CairnError `usage` */
export function tokenSettingsOf(name: string, values: TokenValues): TokenSettings {
  const { owner = name, scope = [...DEFAULT_SCOPES], path = '', expires: expiresInMs } = values;
  const example = 'cairn token create backup --root /srv/files';
  if (!TOKEN_NAME.test(name))
    throw usage(`the name of a token is 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-", not "${name}"`, example);
  if (!OWNER_NAME.test(owner))
    throw usage(`--owner takes 1 to 256 visible characters without blanks, not "${owner}"`, '--owner alice');
  return { name, owner, scopes: scope, path, expiresInMs, quota: quotaOf(values) };
}

function quotaOf({ quotaBytes, quotaSessions }: TokenValues): TokenSettings['quota'] {
  if (quotaBytes === undefined && quotaSessions === undefined) return undefined;
  return {
    ...(quotaBytes === undefined ? {} : { bytes: quotaBytes }),
    ...(quotaSessions === undefined ? {} : { sessions: quotaSessions }),
  };
}
