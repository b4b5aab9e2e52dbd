/** The commands, options and help of the command line. Each command's code is loaded when it runs. */
import { Command } from 'commander';
import type { ExitCode } from '../base/errors.ts';
import * as help from './help.ts';
import { addServe } from './program-serve.ts';
import { addDoctor, addSessions } from './program-sessions.ts';
import { addTlsOptions } from './program-tls.ts';
import { VERSION } from './version.ts';
import { refuseEmptyWords } from './words/empty-words.ts';

/** Told the exit code of the command that ran. */
type Done = (exitCode: ExitCode) => void;

/**
 * The command line. Parsing throws commander's error for what it does not know, after it has said so on stderr, and
 * CairnError for what the commands throw.
 */
export function createProgram(done: Done): Command {
  const program = new Command('cairn')
    .description('Moves files and directory trees to and from a server, and never loses its place.')
    .version(VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError()
    .exitOverride()
    .hook('preAction', (_program, command) => refuseEmptyWords(command))
    .addHelpText('after', help.MAIN_HELP);
  addServe(program, done);
  addPush(program, done);
  addPull(program, done);
  addLs(program, done);
  addVerify(program, done);
  addLogin(program, done);
  addTransfers(program, done);
  addToken(program, done);
  addGrant(program, done);
  addSessions(program, done);
  addDoctor(program, done);
  addDemo(program, done);
  return program;
}

function addTransferOptions(command: Command): Command {
  return addClientOptions(command, '5m')
    .option(
      '--parallel <n>',
      'chunks on their way at a time, 1 to 64 (default: as many as make more of the line, up to 48)',
    )
    .option(
      '--chunk-size <size>',
      'bytes of a chunk, 64K to 64M (default: 1M to 8M, by how much there is; 2M for a pipe)',
    )
    .option('--checksum', 'compare contents instead of size and modification time')
    .option('--digest <name>', 'xxh64 (default, finds accidents) or sha256 (where a party is not trusted)')
    .option(
      '--sync <mode>',
      'when the receiver makes it durable: always (each chunk), group (every half second) or close (at the end)',
    )
    .option(
      '--bwlimit <rate>',
      'bytes a second of all connections together: 10M, or by the time of day: "08:00,1M 19:00,off"',
    )
    .option(
      '--compress <when>',
      'compress what shrinks: auto (default: where the line is slow), always or never',
    )
    .option('--dry-run', 'say what would be moved, and move nothing');
}

function addClientOptions(command: Command, retryFor: string): Command {
  return addTlsOptions(command)
    .option('--token-file <file>', 'file with the access token, readable only by you')
    .option('--retry-for <duration>', `how long to wait for a server that is away (default: ${retryFor})`)
    .option('--json', 'one JSON object per line on stdout')
    .option('-q, --quiet', 'say nothing but errors and what was left out')
    .option('--no-progress', 'no progress, only the result');
}

function addPush(program: Command, done: Done): void {
  addTransferOptions(program.command('push'))
    .description('send files, trees, standard input or the output of a command')
    .usage('[options] SOURCE... URL\n       cairn push [options] --from-command URL -- COMMAND [ARG...]')
    .argument('[words...]', 'SOURCE: file, directory, or - for standard input')
    .option('--from-command', 'run the command after -- and send its output')
    .addHelpText('after', help.PUSH_HELP)
    .action(async (words, options) =>
      done(await (await import('./commands/push.ts')).runPush(words, options)),
    );
}

function addPull(program: Command, done: Done): void {
  addTransferOptions(program.command('pull'))
    .description('fetch a file or a tree')
    .usage('[options] URL DEST')
    .argument('[words...]', 'DEST: file, directory, or - for standard output')
    .addHelpText('after', help.PULL_HELP)
    .action(async (words, options) =>
      done(await (await import('./commands/pull.ts')).runPull(words, options)),
    );
}

function addLs(program: Command, done: Done): void {
  addClientOptions(program.command('ls'), '10s')
    .description('list what is on a server')
    .argument('<url>')
    .option('-R, --recursive', 'everything below, too')
    .addHelpText('after', help.LS_HELP)
    .action(async (url, options) => done(await (await import('./commands/ls.ts')).runLs(url, options)));
}

function addVerify(program: Command, done: Done): void {
  addClientOptions(program.command('verify'), '5m')
    .description('read both sides again and compare them')
    .argument('<local>')
    .argument('<url>')
    .addHelpText('after', help.VERIFY_HELP)
    .action(async (local, url, options) =>
      done(await (await import('./commands/verify.ts')).runVerify(local, url, options)),
    );
}

function addLogin(program: Command, done: Done): void {
  addTlsOptions(program.command('login'))
    .description('get access tokens for a server from the issuer that it names')
    .argument('<url>')
    .option('--issuer <url>', 'the issuer that it has to be (default: the one that the server names)')
    .option('--client-id <id>', 'what to be called there (default: what the server says)')
    .option('--scope <scopes>', 'what to ask for, with blanks between (default: what the server says)')
    .option('--status', 'say whether there is a login, and ask nobody')
    .option('--json', 'one JSON object per line on stdout')
    .addHelpText('after', help.LOGIN_HELP)
    .action(async (url, options) => {
      const { runLogin, runLoginStatus } = await import('./commands/login.ts');
      done(await (options.status === true ? runLoginStatus : runLogin)(url, options));
    });
  program
    .command('logout')
    .description('end a login: here, and at its issuer')
    .argument('<url>')
    .option('--tls-ca <file>', 'trust the authorities in this file, too (PEM)')
    .option('--json', 'one JSON object on stdout')
    .action(async (url, options) =>
      done(await (await import('./commands/logout.ts')).runLogout(url, options)),
    );
}

function addTransfers(program: Command, done: Done): void {
  const transfers = program
    .command('transfers')
    .description("this machine's unfinished transfers")
    .addHelpText('after', help.TRANSFERS_HELP);
  transfers
    .command('list', { isDefault: true })
    .description('list them')
    .option('--json', 'one JSON object per line')
    .action(async (options) =>
      done(await (await import('./commands/transfers.ts')).runTransfersList(options)),
    );
  transfers
    .command('show')
    .description('everything about one')
    .argument('<id>')
    .option('--json', 'as a JSON object')
    .action(async (id, options) =>
      done(await (await import('./commands/transfers.ts')).runTransfersShow(id, options)),
    );
  transfers
    .command('resume')
    .description('go on with everything that is unfinished')
    .option('--json', 'one JSON object per line')
    .option('-q, --quiet', 'say nothing but errors')
    .action(async (options) =>
      done(await (await import('./commands/transfers.ts')).runTransfersResume(options)),
    );
  addTlsOptions(transfers.command('rm'))
    .description('forget some: running their commands again starts over')
    .argument('[ids...]')
    .option('--all', 'every one that is not running')
    .option('--abort', 'also free at once what the server holds of it; otherwise its lease does, in time')
    .option('--token-file <file>', 'file with the access token, for --abort')
    .option('--json', 'one JSON object per line')
    .action(async (ids, options) =>
      done(await (await import('./commands/transfers.ts')).runTransfersRm(ids, options)),
    );
}

function addToken(program: Command, done: Done): void {
  const token = program
    .command('token')
    .description('the access tokens of a server, whether it runs or not')
    .addHelpText('after', help.TOKEN_HELP);
  const addState = (command: Command): Command =>
    command
      .option('--root <dir>', 'the directory that the server serves')
      .option('--state <dir>', 'where the server keeps its state (default: ROOT/.cairn)')
      .option('--json', 'one JSON object per line on stdout');
  const each = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];
  addState(token.command('create'))
    .description('make one; its secret is shown once')
    .argument('<name>')
    .option('--owner <owner>', 'whose transfers it goes on with (default: the name)')
    .option('--scope <scopes>', 'read, write, list, admin (default: read,write,list)', each)
    .option('--path <path>', 'only what is at this path and below')
    .option('--expires <duration>', 'from now on: 30d, 12h (default: never)')
    .option('--quota-bytes <size>', 'what its pushes may bring in all')
    .option('--quota-sessions <n>', 'how many of its transfers may be unfinished at a time')
    .option('--token-out <file>', 'write the secret into this new file, readable only by you')
    .action(async (name, options) =>
      done(await (await import('./commands/token.ts')).runTokenCreate(name, options)),
    );
  addState(token.command('list'))
    .description('list them, without their secrets')
    .action(async (options) => done(await (await import('./commands/token.ts')).runTokenList(options)));
  addState(token.command('revoke'))
    .description('end some, and what runs with them; what these transfers had is kept')
    .argument('[names...]')
    .action(async (names, options) =>
      done(await (await import('./commands/token.ts')).runTokenRevoke(names, options)),
    );
}

function addGrant(program: Command, done: Done): void {
  program
    .command('grant')
    .description('let somebody without an account push or pull one thing, for a while')
    .usage('[options] URL --push|--pull\n       cairn grant [options] --list|--revoke ID URL')
    .argument('<url>', 'what is granted, with everything below')
    .option('--push', 'grant to push')
    .option('--pull', 'grant to pull')
    .option('--expires <duration>', 'from now on: 24h (default), 7d')
    .option('--max-bytes <size>', 'what may be pushed in all')
    .option('--out <file>', 'write the grant into this new file, readable only by you')
    .option('--list', 'what the owner of the access token has granted')
    .option('--revoke <id>', 'end a grant, and what runs with it')
    .option('--token-file <file>', 'file with the access token, readable only by you')
    .option('--retry-for <duration>', 'how long to wait for a server that is away (default: 10s)')
    .option('--json', 'one JSON object per line on stdout')
    .addHelpText('after', help.GRANT_HELP)
    .action(async (url, options) => done(await (await import('./commands/grant.ts')).runGrant(url, options)));
}

function addDemo(program: Command, done: Done): void {
  program
    .command('demo')
    .description('the quick start: a transfer with cuts and kills, and the proof that nothing was lost')
    .argument('[path]', 'a file or directory of yours; it is only read')
    .addHelpText('after', help.DEMO_HELP)
    .action(async (path) => done(await (await import('./commands/demo.ts')).runDemo(path)));
}
