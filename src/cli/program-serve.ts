/** `cairn serve` with its options. */
import type { Command } from 'commander';
import type { ExitCode } from '../base/errors.ts';
import { SERVE_HELP } from './help.ts';
import { addAccessOptions } from './serve-access-options.ts';

/** Told the exit code of the command that ran. */
type Done = (exitCode: ExitCode) => void;

/** Adds `serve`. */
export function addServe(program: Command, done: Done): void {
  const serve = program
    .command('serve')
    .description('serve a directory')
    // Not commander's required option: the plan's own error has an example.
    .option('--root <dir>', 'the directory to serve (required)')
    .option('--listen <host:port>', 'where to listen (default: 127.0.0.1:7070; port 0: any free one)')
    .option(
      '--state <dir>',
      'where sessions and tokens are kept (default: ROOT/.cairn, which is never served)',
    )
    .option(
      '--session-lease <duration>',
      'how long an unfinished transfer that nobody touches is kept (default: 7d)',
    )
    .option('--session-max-age <duration>', 'how long an unfinished transfer may take in all (default: 90d)')
    .option('--sync <mode>', 'when what comes in is made durable: always, group (default) or close');
  addAccessOptions(addLine(serve))
    .option('--log-level <level>', 'error, warn, info, debug or silent (default: info; warn on a terminal)')
    .option('--json', 'print {"type":"listening",…} on stdout once connections are accepted')
    .option('--check', 'serve nothing: examine what a server that was stopped has kept, and repair it')
    .option('--dry-run', 'with --check: say what would be repaired, and change nothing')
    .addHelpText('after', SERVE_HELP)
    .action(async (options) => {
      if (options.limit?.includes('help') === true) {
        done(await (await import('./commands/serve-limits-help.ts')).runLimitsHelp());
      } else if (options.check === true) {
        done(await (await import('./commands/serve-check.ts')).runServeCheck(options));
      } else done(await (await import('./commands/serve.ts')).runServe(options));
    });
}

/** Over what line, how much, and who says how it is. */
function addLine(serve: Command): Command {
  return serve
    .option(
      '--limit <name=value>',
      'what the server allows, as often as needed; "--limit help" lists all of it',
      (word: string, before: readonly string[] | undefined) => [...(before ?? []), word],
    )
    .option(
      '--metrics-listen <host:port>',
      'also answer /healthz, /readyz and /metrics there, without a token (default: only below /.cairn/)',
    )
    .option('--insecure-listen', 'listen beyond this machine without TLS')
    .option(
      '--tls-cert <file>',
      'speak TLS with this certificate, its issuers after it (PEM; SIGHUP reads it again)',
    )
    .option('--tls-key <file>', 'its private key (PEM, not encrypted, readable only by you)')
    .option(
      '--trusted-proxy <cidr>',
      'believe this reverse proxy whom it forwards for; may be repeated, or a list with commas',
      (word: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), word],
    );
}
