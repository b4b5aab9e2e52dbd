/** `cairn token` with its subcommands and their options. */
import type { Command } from 'commander';
import { CairnError } from '../../../base/errors.ts';
import { checkRelativePath } from '../../../base/safe-path.ts';
import { SCOPE_TABLE, SCOPES, type Scope } from '../../../session/scopes.ts';
import { addNotes } from '../../help/notes.ts';
import { addJson } from '../../options/client-options.ts';
import { parseChoice, parseCount, parseDuration, parseSize } from '../../options/quantities.ts';
import {
  addOptions,
  file,
  list,
  ofThisCommand,
  text,
  value,
  type Run,
  type ValuesOf,
} from '../../options/option.ts';
import { BUCKET_OPTIONS } from '../../options/store-address.ts';
import { usage } from '../../options/usage.ts';

const DAY_MS = 86_400_000;
const EXPIRY_RANGE = { minMs: 1000, maxMs: 3650 * DAY_MS };
const SESSIONS_RANGE = { min: 1, max: 999_999_999 };
const BYTES_RANGE = { min: 1, max: Number.MAX_SAFE_INTEGER };

const TOKEN = {
  ...ofThisCommand({
    owner: text('--owner <owner>', 'owner of its transfers (default: the name)'),
    scope: {
      ...list(
        '--scope <scopes>',
        'read, write, append, drop, list, admin (default: read,write,list)',
        parseScopes,
      ),
      choices: SCOPES,
    },
  }),
  path: value('--path <path>', 'confine it to this path and everything below', parsePath),
  ...ofThisCommand({
    expires: value(
      '--expires <duration>',
      'when it expires, from now on: 30d, 12h (default: never)',
      (option, word) => parseDuration(option, word, EXPIRY_RANGE),
    ),
  }),
  quotaBytes: value('--quota-bytes <size>', 'most bytes that its pushes may bring in all', (option, word) =>
    parseSize(option, word, BYTES_RANGE),
  ),
  quotaSessions: value('--quota-sessions <n>', 'most unfinished transfers at a time', (option, word) =>
    parseCount(option, word, SESSIONS_RANGE),
  ),
  tokenOut: file('--token-out <file>', 'write the secret into this new file, readable only by you'),
};
const STATE = {
  root: text('--root <dir>', 'the directory that the server serves'),
  store: text(
    '--store <store>',
    'what several servers share: s3://BUCKET[/PREFIX], or a directory of objects',
  ),
  ...BUCKET_OPTIONS,
  state: text('--state <dir>', 'where the server keeps its state (default: ROOT/.cairn)'),
};

/** Which server's tokens are meant. */
export type StateValues = ValuesOf<typeof STATE> & { readonly json: boolean };
/** What a user says of a new token; `expires` is in milliseconds from now on. */
export type TokenValues = StateValues & ValuesOf<typeof TOKEN>;

/** What runs each subcommand. */
interface TokenRuns {
  readonly create: Run<[name: string, values: TokenValues]>;
  readonly list: Run<[values: StateValues]>;
  readonly revoke: Run<[names: readonly string[], values: StateValues]>;
}

const NOTES = `
Examples:
  cairn token create backup --root /srv/files --scope write --path /backups --expires 30d --token-out backup.token
  cairn token create auditor --root /srv/files --scope read,list --quota-sessions 2
  cairn token create camera --root /srv/files --scope append --path /camera
  cairn token list --root /srv/files
  cairn token revoke backup --root /srv/files

Run it on the machine of the server, as the user of the server, with the same --root or --state. A server that runs learns of
each change within half a second. For servers that share a store run it anywhere with the same --store: they learn of it within
two seconds. cairn keeps only a hash of a secret: make a new token in place of one whose secret is lost.

Scopes:
${scopeLines()}

Without the scope list or read a push does not learn which entries the server has, and sends all of them; without read it
compares no contents.

cairn token list shows how many transfers of each token are unfinished and, for a token with a quota of bytes, how much of that
is used by bytes that were pushed or are on their way.

A token has an owner, by default its own name. Transfers belong to the owner: a new token of the same owner resumes the
transfers that an expired or revoked one has begun.`;

/** Adds `token create|list|revoke`. */
export function addToken(program: Command, runs: TokenRuns): void {
  const token = addNotes(program.command('token'), NOTES).description(
    'make, list and revoke access tokens of a server, whether it runs or not',
  );
  addOptions(addState(token.command('create')), 'The token:', TOKEN)
    .description('make an access token; its secret is shown once')
    .argument('<name>')
    .action(runs.create);
  addState(token.command('list'))
    .description('list the access tokens, without their secrets')
    .action(runs.list);
  addState(token.command('revoke'))
    .description('revoke access tokens and stop their transfers; the bytes that arrived are kept')
    .argument('[names...]')
    .action(runs.revoke);
}

function addState(command: Command): Command {
  return addJson(addOptions(command, 'The server:', STATE));
}

/** The table of scopes, a line for each. */
function scopeLines(): string {
  return SCOPES.map((scope) => `  ${scope.padEnd(8)} ${SCOPE_TABLE[scope].says}`).join('\n');
}

function parseScopes(option: string, words: readonly string[]): Scope[] {
  const asked = words.flatMap((word) => word.split(',')).map((word) => parseChoice(option, word, SCOPES));
  return SCOPES.filter((scope) => asked.includes(scope));
}

/** As in the URL after its host, but not percent-encoded. */
function parsePath(option: string, word: string): string {
  if (!word.startsWith('/'))
    throw usage(`${option} takes a path that begins with "/", not "${word}"`, `${option} /backups`);
  try {
    return checkRelativePath(word.slice(1).replace(/\/$/, ''));
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    throw new CairnError(error.code, `${option}: ${error.message}`, { cause: error });
  }
}
