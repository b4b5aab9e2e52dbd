/** `cairn serve` with its options. */
import { Option, type Command } from 'commander';
import { SYNC_MODES } from '../../../session/sync-mode.ts';
import { SCOPES } from '../../../session/scopes.ts';
import { SERVE_HELP } from '../../help/shared-notes.ts';
import { LOG_LEVELS } from '../../options/choices.ts';
import { addJson } from '../../options/client-options.ts';
import { addNotes } from '../../help/notes.ts';
import { GROUPS, ofThisCommand, optionOf, repeatable } from '../../options/option.ts';
import type { Done } from '../../options/done.ts';

/** Adds `serve`. */
export function addServe(program: Command, done: Done): void {
  const serve = addLine(addContent(program.command('serve').description('serve a directory')));
  addNotes(addOperation(addAccess(addLimits(serve))), SERVE_HELP).action(async (options) => {
    if (options.limit?.includes('help') === true) {
      done(await (await import('./limits-help.ts')).runLimitsHelp());
    } else if (options.check === true) {
      done(await (await import('./run-check.ts')).runServeCheck(options));
    } else done(await (await import('./run-serve.ts')).runServe(options));
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
        'allow a root or a state on a network file system (NFS, SMB, …), which is refused otherwise',
      )
      .option(
        '--state <dir>',
        'where the server keeps sessions and tokens (default: ROOT/.cairn, which is never served)',
      )
      .addOption(
        optionOf(
          '--sync <mode>',
          'when pushed bytes are made durable: always, group (default) or close',
          SYNC_MODES,
        ),
      )
  );
}

/** Where it listens, and how it is reached. */
function addLine(serve: Command): Command {
  return serve
    .optionsGroup('Where to listen:')
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
          'believe the client addresses that this reverse proxy names; may be repeated, or a list with commas',
        ),
      ),
    )
    .option(
      '--metrics-listen <host:port>',
      'also answer /healthz, /readyz and /metrics on this port, without a token (default: only below /.cairn/)',
    );
}

function addLimits(serve: Command): Command {
  return serve
    .optionsGroup('How much, and how long:')
    .addOption(
      repeatable(
        new Option(
          '--limit <name=value>',
          'change a limit; may be repeated, or a list with commas; "--limit help" lists all limits',
        ),
      ),
    )
    .option(
      '--session-lease <duration>',
      'how long an unfinished transfer is kept after the last request of its client (default: 7d)',
    )
    .option('--session-max-age <duration>', 'how long a transfer may take in all (default: 90d)');
}

/** Who may use it, besides the holders of its own tokens. */
function addAccess(serve: Command): Command {
  return serve
    .optionsGroup('Who may use it:')
    .option('--oidc-issuer <url>', 'also accept access tokens of this OpenID Connect issuer')
    .option('--oidc-audience <name>', 'the audience that its tokens must name')
    .option('--oidc-client-id <id>', 'id of cairn login at the issuer')
    .option('--oidc-config <file>', 'JSON: which claims mean which scopes and paths')
    .option(
      '--tls-client-ca <file>',
      'accept client certificates of these authorities in place of tokens (PEM)',
    )
    .addOption(
      optionOf(
        '--tls-client-scope <scopes>',
        'scopes of a certificate: read, write, append, drop, list, admin (default: read,write,list)',
        SCOPES,
      ),
    )
    .option(
      '--tls-client-path <path>',
      'path that a certificate is confined to; {cn} is the name in it (default: /)',
    );
}

function addOperation(serve: Command): Command {
  const operation = serve
    .optionsGroup('Instead of serving:')
    .addOption(
      ofThisCommand(
        new Option('--check', 'serve nothing: examine and repair the state of a server that was stopped'),
      ),
    )
    .addOption(
      ofThisCommand(new Option('-n, --dry-run', 'with --check: report everything, and change nothing')),
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
