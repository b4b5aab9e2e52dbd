/** Options that several commands of a client share. */
import { Option, type Command } from 'commander';
import { GROUPS } from './option.ts';

/** Adds what a client trusts, and what it shows of itself. */
export function addTlsOptions(command: Command): Command {
  return command
    .optionsGroup(GROUPS.access)
    .option('--tls-ca <file>', 'trust only the authorities in this file (PEM; default: those of Node.js)')
    .option('--tls-client-cert <file>', 'show this certificate to servers that ask for one (PEM)')
    .option('--tls-client-key <file>', 'its private key (PEM, not encrypted, readable only by you)')
    .option('--insecure-http', 'also send the access token over plain http beyond this machine');
}

/** Adds how a server is reached: certificates, and `--token-file`. */
export function addAccessToServer(command: Command): Command {
  return addTlsOptions(command).option(
    '--token-file <file>',
    'file with the access token, readable only by you',
  );
}

/** Adds `--retry-for`. */
export function addRetryFor(command: Command, retryFor: string): Command {
  return command
    .optionsGroup(GROUPS.access)
    .option('--retry-for <duration>', `how long to wait for a server that is away (default: ${retryFor})`);
}

/** Adds `--json`. */
export function addJson(command: Command, description = 'one JSON object per line on stdout'): Command {
  return command.addOption(new Option('--json', description).helpGroup(GROUPS.output));
}

/** Adds everything about the output of a command with progress. */
export function addOutputOptions(command: Command): Command {
  return addJson(command)
    .optionsGroup(GROUPS.output)
    .option('-q, --quiet', 'print nothing but errors and the entries that were left out')
    .option('--no-progress', 'print no progress, only the result');
}

/** Adds what every command has that asks a server for something. */
export function addClientOptions(command: Command, retryFor: string): Command {
  return addOutputOptions(addRetryFor(addAccessToServer(command), retryFor));
}
