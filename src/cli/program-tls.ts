/** The options of commands that speak https. */
import type { Command } from 'commander';

/** Adds what a client trusts, and what it shows of itself. */
export function addTlsOptions(command: Command): Command {
  return command
    .option('--tls-ca <file>', 'trust only the authorities in this file (PEM); default: those of the system')
    .option('--tls-client-cert <file>', 'show this certificate to servers that ask for one (PEM)')
    .option('--tls-client-key <file>', 'its private key (PEM, not encrypted, readable only by you)');
}
