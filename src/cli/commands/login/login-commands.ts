/** `cairn login` and `cairn logout` with their options. */
import type { Command } from 'commander';
import { parseIssuerUrl } from '../../../base/issuer-url.ts';
import { addNotes } from '../../help/notes.ts';
import { addJson, addTls, type TlsValues } from '../../options/client-options.ts';
import {
  addOptions,
  file,
  flag,
  GROUPS,
  ofThisCommand,
  text,
  value,
  type Run,
  type ValuesOf,
} from '../../options/option.ts';
import { usage } from '../../options/usage.ts';

const SCOPE = /^[!#-[\]-~]+$/;

const LOGIN = {
  issuer: value(
    '--issuer <url>',
    'refuse any other issuer (default: the one that the server names)',
    (option, word) => {
      parseIssuerUrl(word, option, 'usage');
      return word;
    },
  ),
  clientId: text(
    '--client-id <id>',
    'id of this client at the issuer (default: the one that the server names)',
  ),
  ...ofThisCommand({
    scope: value(
      '--scope <scopes>',
      'scopes to ask for, with blanks between (default: those that the server names)',
      parseScopes,
    ),
    status: flag('--status', 'only say whether there is a login; send nothing'),
  }),
};
const LOGOUT = { tlsCa: file('--tls-ca <file>', 'also trust the authorities in this file (PEM)') };

/** What a user says of `cairn login`. */
export type LoginValues = TlsValues & ValuesOf<typeof LOGIN> & { readonly json: boolean };
/** What a user says of `cairn logout`. */
export type LogoutValues = ValuesOf<typeof LOGOUT> & { readonly json: boolean };

/** What runs each of them. */
interface LoginRuns {
  readonly login: Run<[url: string, values: LoginValues]>;
  readonly status: Run<[url: string, values: LoginValues]>;
  readonly logout: Run<[url: string, values: LogoutValues]>;
}

const NOTES = `
Examples:
  cairn login https://files.example.com/
  cairn login https://files.example.com/ --issuer https://login.example.com
  cairn login https://files.example.com/ --status
  cairn logout https://files.example.com/

The server names the issuer (OpenID Connect) of its access tokens. cairn shows the address of a page and a code; open the page
in any browser, on any machine, and approve. cairn opens no browser and asks for no password. Look at the name of the issuer
first: the owner of the server chose it.

The tokens are kept in $XDG_CONFIG_HOME/cairn/credentials (~/.config/cairn/credentials), readable only by you. cairn shows them
only to that server (scheme, host and port) and to the issuer, and renews them, also in the middle of a transfer, for as long as
the issuer allows.`;

/** Adds `login` and `logout`. */
export function addLogin(program: Command, runs: LoginRuns): void {
  const login = program
    .command('login')
    .description('get access tokens for a server from the issuer that it names')
    .argument('<url>');
  addJson(addTls(addOptions(login, GROUPS.what, LOGIN)));
  addNotes(login, NOTES).action((url, values: LoginValues) =>
    (values.status ? runs.status : runs.login)(url, values),
  );
  const logout = program
    .command('logout')
    .description('end a login: here, and at its issuer')
    .argument('<url>');
  addJson(addOptions(logout, GROUPS.access, LOGOUT), 'one JSON object on stdout').action(runs.logout);
}

/** Whether a text is the name of a scope. */
export function isScope(name: string): boolean {
  return SCOPE.test(name);
}

function parseScopes(option: string, word: string): readonly string[] {
  const names = word.split(' ').filter((name) => name !== '');
  if (names.every(isScope)) return names;
  throw usage(`${option} takes names with blanks between`, `${option} "openid offline_access cairn:read"`);
}
