/** The options of `serve` that say who may use it besides the owners of its own tokens. */
import type { Command } from 'commander';

/** Adds the options of an issuer and of client certificates. */
export function addAccessOptions(command: Command): Command {
  return command
    .option('--oidc-issuer <url>', 'also take access tokens of this OpenID Connect issuer')
    .option('--oidc-audience <name>', 'whom its tokens have to be for')
    .option('--oidc-client-id <id>', 'what `cairn login` calls itself there')
    .option('--oidc-config <file>', 'JSON: which claims mean which scopes and paths')
    .option(
      '--tls-client-ca <file>',
      'accept client certificates of these authorities in place of tokens (PEM)',
    )
    .option(
      '--tls-client-scope <scopes>',
      'what they allow, of read,write,list,admin (default: read,write,list)',
    )
    .option(
      '--tls-client-path <path>',
      'what they are confined to; {cn} is the name in the certificate (default: /)',
    );
}
