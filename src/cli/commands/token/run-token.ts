/** `cairn token`: the access tokens of a server, whether it runs or not. */
import { unlink } from 'node:fs/promises';
import { createFileDurably } from '../../../base/durable-files.ts';
import { CairnError, EXIT, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { TokenStore } from '../../../server/access/first-token.ts';
import { OWNER_NAME, TOKEN_NAME, type KeptToken } from '../../../server/access/kept-token.ts';
import { addToken, readTokens, removeTokens } from '../../../server/access/token-changes.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { issueSecret } from '../../../session/credential.ts';
import type { Scope } from '../../../session/scopes.ts';
import { usage } from '../../options/usage.ts';
import { print } from '../../process/output.ts';
import { doneLine, jsonLine } from '../../report/json-line.ts';
import type { StateValues, TokenValues } from './token-command.ts';
import { openTokenPlace, type TokenPlace } from './token-place.ts';
import { tokenObject, tokenSentence, tokenTable } from './token-table.ts';
import { readUse } from './token-use.ts';

/** The settings of one `cairn token create`. */
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

/** `cairn token create NAME`. The secret is shown once, or written into a file of its own. */
export async function runTokenCreate(name: string, values: TokenValues): Promise<ExitCode> {
  const settings = tokenSettingsOf(name, values);
  const place = await openTokenPlace(values);
  await place.make();
  const { secret, hash } = issueSecret();
  // First the secret: a token whose secret was lost would be of no use, and its name taken.
  if (values.tokenOut !== undefined) await createFileDurably(values.tokenOut, `${secret}\n`);
  try {
    const token = await addToken(place.tokens, {
      ...settings,
      principal: settings.owner,
      hash,
      expiresAtMs: expiryOf(settings),
    });
    await announceOrRemove(place.tokens, token, () => announce(token, values, secret));
  } catch (error) {
    // What could not be removed opens nothing.
    if (values.tokenOut !== undefined) await unlink(values.tokenOut).catch(() => undefined);
    throw error;
  }
  return EXIT.done;
}

function expiryOf({ expiresInMs }: TokenSettings): number | undefined {
  return expiresInMs === undefined ? undefined : Date.now() + expiresInMs;
}

/** A token whose secret could not be shown is of no use, and would keep its name taken. */
async function announceOrRemove(tokens: TokenStore, { name }: KeptToken, tell: () => void): Promise<void> {
  try {
    tell();
  } catch (error) {
    await removeTokens(tokens, [name]).catch(() => undefined);
    throw error;
  }
}

function announce(token: KeptToken, { json, tokenOut }: TokenValues, secret: string): void {
  if (json) {
    const where = tokenOut === undefined ? { secret } : { tokenFile: tokenOut };
    print(jsonLine({ ...tokenObject(token, undefined, Date.now()), ...where }));
    print(doneLine({ tokens: 1 }));
    return;
  }
  const where =
    tokenOut === undefined
      ? 'its secret follows; it is shown only this once, and kept nowhere'
      : `its secret is in ${printable(tokenOut)}, and nowhere else`;
  process.stderr.write(`cairn: ${tokenSentence(token)}\ncairn: ${where}\n`);
  if (tokenOut === undefined) print(`${secret}\n`);
}

/** `cairn token list`. */
export async function runTokenList(values: StateValues): Promise<ExitCode> {
  const place = await openTokenPlace(values);
  const tokens = await existing(place);
  const useOf = await readUse(place);
  const nowMs = Date.now();
  const lines = values.json
    ? [
        ...tokens.map((token) => jsonLine(tokenObject(token, useOf(token), nowMs))),
        doneLine({ tokens: tokens.length }),
      ]
    : tokenTable(tokens, useOf, nowMs);
  print(lines.join(''));
  return EXIT.done;
}

/** `cairn token revoke NAME...`. */
export async function runTokenRevoke(names: readonly string[], values: StateValues): Promise<ExitCode> {
  if (names.length === 0)
    throw usage('token revoke takes the names of tokens', 'cairn token revoke backup --root /srv/files');
  const place = await openTokenPlace(values);
  await existing(place);
  await place.checkChangeable();
  const gone = await removeTokens(place.tokens, names);
  if (values.json) {
    print(
      [
        ...gone.map(({ name }) => jsonLine({ type: 'revoked', name })),
        doneLine({ tokens: gone.length }),
      ].join(''),
    );
    return EXIT.done;
  }
  for (const { name } of gone) print(`revoked ${printable(name)}\n`);
  const owners = [...new Set(gone.map(({ principal }) => printable(principal)))].join(', ');
  process.stderr.write(
    'cairn: transfers that run with it are suspended within two seconds; the bytes that arrived are kept, and a token of ' +
      `the same owner (${owners}) resumes them\n`,
  );
  return EXIT.done;
}

async function existing({ tokens: { state }, shown }: TokenPlace): Promise<readonly KeptToken[]> {
  const tokens = await readTokens(state);
  if (tokens !== undefined) return tokens;
  throw new CairnError(
    'not-found',
    `there are no access tokens in "${printable(shown)}"; give the same --root and --state, or the same --store, as to the server`,
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
