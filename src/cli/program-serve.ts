/** `cairn serve` with its options. */
import { Option, type Command } from 'commander';
import { SYNC_MODES } from '../session/sync-mode.ts';
import { SCOPES } from '../session/scopes.ts';
import { SERVE_HELP } from './help.ts';
import { LOG_LEVELS } from './options/choices.ts';
import { addJson } from './options/client-options.ts';
import { addNotes } from './options/notes.ts';
import { GROUPS, ofThisCommand, optionOf, repeatable } from './options/option.ts';
import type { Done } from './done.ts';

/** Adds `serve`. */
export function addServe(program: Command, done: Done): void {
  const serve = addLine(addContent(program.command('serve').description('serve a directory')));
  addNotes(addOperation(addAccess(addLimits(serve))), SERVE_HELP).action(async (options) => {
    if (options.limit?.includes('help') === true) {
      done(await (await import('./commands/serve-limits-help.ts')).runLimitsHelp());
    } else if (options.check === true) {
      done(await (await import('./commands/serve-check.ts')).runServeCheck(options));
    } else done(await (await import('./commands/serve.ts')).runServe(options));
  });
}

function addContent(serve: Command): Command {
  return (
    serve
      .optionsGroup('What to serve:')
      // Not commander's required option: the plan's own error has an example.
      .option('--root <dir>', 'the directory to serve (required)')
      .option(
        '--network-root',
        'serve a root or a state on a network file system (NFS, SMB, …), which is refused without',
      )
      .option(
        '--state <dir>',
        'where sessions and tokens are kept (default: ROOT/.cairn, which is never served)',
      )
      .addOption(
        optionOf(
          '--sync <mode>',
          'when what comes in is made durable: always, group (default) or close',
          SYNC_MODES,
        ),
      )
  );
}

/** Over what line, and who says how it is. */
function addLine(serve: Command): Command {
  return serve
    .optionsGroup('The line:')
    .option('--listen <host:port>', 'where to listen (default: 127.0.0.1:7070; port 0: any free one)')
    .option('--insecure-listen', 'listen beyond this machine without TLS')
    .option(
      '--tls-cert <file>',
      'speak TLS with this certificate, its issuers after it (PEM; SIGHUP reads it again)',
    )
    .option('--tls-key <file>', 'its private key (PEM, not encrypted, readable only by you)')
    .addOption(
      repeatable(
        new Option(
          '--trusted-proxy <cidr>',
          'believe this reverse proxy whom it forwards for; may be repeated, or a list with commas',
        ),
      ),
    )
    .option(
      '--metrics-listen <host:port>',
      'also answer /healthz, /readyz and /metrics there, without a token (default: only below /.cairn/)',
    );
}

function addLimits(serve: Command): Command {
  return serve
    .optionsGroup('How much, and how long:')
    .addOption(
      repeatable(
        new Option(
          '--limit <name=value>',
          'what the server allows, as often as needed, or a list with commas; "--limit help" lists all of it',
        ),
      ),
    )
    .option(
      '--session-lease <duration>',
      'how long an unfinished transfer that nobody touches is kept (default: 7d)',
    )
    .option('--session-max-age <duration>', 'how long an unfinished transfer may take in all (default: 90d)');
}

/** Who may use it besides the owners of its own tokens. */
function addAccess(serve: Command): Command {
  return serve
    .optionsGroup('Who may use it:')
    .option('--oidc-issuer <url>', 'also take access tokens of this OpenID Connect issuer')
    .option('--oidc-audience <name>', 'whom its tokens have to be for')
    .option('--oidc-client-id <id>', 'what `cairn login` calls itself there')
    .option('--oidc-config <file>', 'JSON: which claims mean which scopes and paths')
    .option(
      '--tls-client-ca <file>',
      'accept client certificates of these authorities in place of tokens (PEM)',
    )
    .addOption(
      optionOf(
        '--tls-client-scope <scopes>',
        'what they allow, of read, write, append, drop, list, admin (default: read,write,list)',
        SCOPES,
      ),
    )
    .option(
      '--tls-client-path <path>',
      'what they are confined to; {cn} is the name in the certificate (default: /)',
    );
}

function addOperation(serve: Command): Command {
  const operation = serve
    .optionsGroup('Instead of serving:')
    .addOption(
      ofThisCommand(
        new Option(
          '--check',
          'serve nothing: examine what a server that was stopped has kept, and repair it',
        ),
      ),
    )
    .addOption(
      ofThisCommand(
        new Option('-n, --dry-run', 'with --check: say what would be repaired, and change nothing'),
      ),
    )
    .optionsGroup(GROUPS.output)
    .addOption(
      optionOf(
        '--log-level <level>',
        'error, warn, info, debug or silent (default: info; warn on a terminal)',
        LOG_LEVELS,
      ),
    );
  return addJson(operation, 'print {"type":"listening",…} on stdout once connections are accepted');
}
