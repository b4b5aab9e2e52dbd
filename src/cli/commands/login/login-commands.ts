/** `cairn login`, `logout`, `token` and `grant`: who may do what. */
import { Option, type Command } from 'commander';
import { SCOPES } from '../../../session/scopes.ts';
import * as help from '../../help/shared-notes.ts';
import { addJson, addRetryFor, addTlsOptions } from '../../options/client-options.ts';
import { addNotes } from '../../help/notes.ts';
import { GROUPS, ofThisCommand, optionOf, repeatable } from '../../options/option.ts';
import type { Done } from '../../options/done.ts';

/** Adds `login` and `logout`. */
export function addLogin(program: Command, done: Done): void {
  const login = program
    .command('login')
    .description('get access tokens for a server from the issuer that it names')
    .argument('<url>')
    .optionsGroup(GROUPS.what)
    .option('--issuer <url>', 'refuse any other issuer (default: the one that the server names)')
    .option('--client-id <id>', 'id of this client at the issuer (default: the one that the server names)')
    .addOption(
      ofThisCommand(
        new Option(
          '--scope <scopes>',
          'scopes to ask for, with blanks between (default: those that the server names)',
        ),
      ),
    )
    .addOption(ofThisCommand(new Option('--status', 'only say whether there is a login; send nothing')));
  addNotes(addJson(addTlsOptions(login)), help.LOGIN_HELP).action(async (url, options) => {
    const { runLogin, runLoginStatus } = await import('./run-login.ts');
    done(await (options.status === true ? runLoginStatus : runLogin)(url, options));
  });
  const logout = program
    .command('logout')
    .description('end a login: here, and at its issuer')
    .argument('<url>')
    .addOption(
      new Option('--tls-ca <file>', 'also trust the authorities in this file (PEM)').helpGroup(GROUPS.access),
    );
  addJson(logout, 'one JSON object on stdout').action(async (url, options) =>
    done(await (await import('./run-logout.ts')).runLogout(url, options)),
  );
}

/** Adds `token create|list|revoke`. */
export function addToken(program: Command, done: Done): void {
  const token = addNotes(program.command('token'), help.TOKEN_HELP).description(
    'make, list and revoke access tokens of a server, whether it runs or not',
  );
  addTokenCreate(addState(token.command('create')), done);
  addState(token.command('list'))
    .description('list the access tokens, without their secrets')
    .action(async (options) => done(await (await import('../token/run-token.ts')).runTokenList(options)));
  addState(token.command('revoke'))
    .description('revoke access tokens and stop their transfers; the bytes that arrived are kept')
    .argument('[names...]')
    .action(async (names, options) =>
      done(await (await import('../token/run-token.ts')).runTokenRevoke(names, options)),
    );
}

function addState(command: Command): Command {
  const own = command
    .optionsGroup('The server:')
    .option('--root <dir>', 'the directory that the server serves')
    .option('--state <dir>', 'where the server keeps its state (default: ROOT/.cairn)');
  return addJson(own);
}

function addTokenCreate(create: Command, done: Done): void {
  create
    .description('make an access token; its secret is shown once')
    .argument('<name>')
    .optionsGroup('The token:')
    .addOption(ofThisCommand(new Option('--owner <owner>', 'owner of its transfers (default: the name)')))
    .addOption(
      ofThisCommand(
        repeatable(
          optionOf(
            '--scope <scopes>',
            'read, write, append, drop, list, admin (default: read,write,list)',
            SCOPES,
          ),
        ),
      ),
    )
    .option('--path <path>', 'confine it to this path and everything below')
    .addOption(
      ofThisCommand(
        new Option('--expires <duration>', 'when it expires, from now on: 30d, 12h (default: never)'),
      ),
    )
    .option('--quota-bytes <size>', 'most bytes that its pushes may bring in all')
    .option('--quota-sessions <n>', 'most unfinished transfers at a time')
    .option('--token-out <file>', 'write the secret into this new file, readable only by you')
    .action(async (name, options) =>
      done(await (await import('../token/run-token.ts')).runTokenCreate(name, options)),
    );
}

/** Adds `grant`. */
export function addGrant(program: Command, done: Done): void {
  const grant = program
    .command('grant')
    .description('let a person without an account push or pull one file or tree, for a while')
    .usage('[options] URL --push|--append|--drop|--pull\n       cairn grant [options] --list|--revoke ID URL')
    .argument('<url>', 'the file or tree that is granted')
    .optionsGroup(GROUPS.what)
    .addOption(ofThisCommand(new Option('--push', 'grant to push, and to replace files')))
    .addOption(ofThisCommand(new Option('--append', 'grant to push new files, and to replace nothing')))
    .addOption(
      ofThisCommand(
        new Option('--drop', 'grant a drop box: the client learns nothing, and replaces nothing'),
      ),
    )
    .addOption(ofThisCommand(new Option('--pull', 'grant to pull')))
    .addOption(ofThisCommand(new Option('--list', 'list the grants of the owner of the access token')))
    .addOption(ofThisCommand(new Option('--revoke <id>', 'end a grant, and stop its transfers')))
    .optionsGroup('The grant:')
    .addOption(
      ofThisCommand(new Option('--expires <duration>', 'when it expires, from now on: 24h (default), 7d')),
    )
    .option('--max-bytes <size>', 'most bytes that may be pushed in all')
    .option('--out <file>', 'write the grant into this new file, readable only by you')
    .optionsGroup(GROUPS.access)
    .option('--token-file <file>', 'file with the access token, readable only by you');
  addNotes(addJson(addRetryFor(addTlsOptions(grant), '10s')), help.GRANT_HELP).action(async (url, options) =>
    done(await (await import('../grant/run-grant.ts')).runGrant(url, options)),
  );
}
