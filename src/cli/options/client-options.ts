/** Options that several commands of a client share; the paths in their values are absolute. */
import type { Command } from 'commander';
import { parseDuration } from './quantities.ts';
import { addOptions, file, flag, GROUPS, ofOneRun, value, withFallback, type ValuesOf } from './option.ts';
import { wordsAgain } from './words-again.ts';

/** How long a client waits for a server that is away, without any progress, where its command says nothing else. */
export const USUAL_RETRY_FOR = '5m';
/** {@link USUAL_RETRY_FOR} in milliseconds. */
export const USUAL_RETRY_FOR_MS = 5 * 60_000;

const TLS = {
  tlsCa: file('--tls-ca <file>', 'trust only the authorities in this file (PEM; default: those of Node.js)'),
  tlsClientCert: file('--tls-client-cert <file>', 'show this certificate to servers that ask for one (PEM)'),
  tlsClientKey: file('--tls-client-key <file>', 'its private key (PEM, not encrypted, readable only by you)'),
  insecureHttp: flag('--insecure-http', 'also send the access token over plain http beyond this machine'),
};
const TOKEN_FILE = {
  tokenFile: file('--token-file <file>', 'file with the access token, readable only by you'),
};
const OUTPUT = ofOneRun({
  json: flag('--json', 'one JSON object per line on stdout'),
  quiet: flag('-q, --quiet', 'print nothing but errors and the entries that were left out'),
  progress: flag('--no-progress', 'print no progress, only the result'),
});

/** How long to wait for a server that is away. */
export interface RetryFor {
  readonly ms: number;
  /** Whether the user said so. */
  readonly isGiven: boolean;
  /** The word that says it again. */
  readonly word: string;
}

/** What a client trusts, and what it shows of itself. */
export type TlsValues = ValuesOf<typeof TLS>;
/** How a server is reached. */
export type AccessValues = ValuesOf<typeof TLS & typeof TOKEN_FILE>;
/** The values of {@link addClientOptions}. */
export type ClientValues = AccessValues & ValuesOf<typeof OUTPUT> & { readonly retryFor: RetryFor };

/** Adds what a client trusts, and what it shows of itself. */
export function addTls(command: Command): Command {
  return addOptions(command, GROUPS.access, TLS);
}

/** Adds `--token-file`. */
export function addTokenFile(command: Command): Command {
  return addOptions(command, GROUPS.access, TOKEN_FILE);
}

/** Adds how a server is reached. */
export function addAccess(command: Command): Command {
  return addTokenFile(addTls(command));
}

/** Adds `--retry-for`, which is `usual` where it is not given. */
export function addRetryFor(command: Command, usual: string): Command {
  const description = `how long to wait for a server that is away (default: ${usual})`;
  const read = (option: string, given: string): RetryFor => {
    const ms = parseDuration(option, given);
    return { ms, isGiven: true, word: `${ms}ms` };
  };
  const fallback = { ...read('--retry-for', usual), isGiven: false };
  const retryFor = withFallback(value('--retry-for <duration>', description, read), fallback);
  return addOptions(command, GROUPS.access, { retryFor });
}

/** Adds `--json`. */
export function addJson(command: Command, description = OUTPUT.json.description): Command {
  return addOptions(command, GROUPS.output, { json: { ...OUTPUT.json, description } });
}

/** Adds all that a command has which asks a server for something and shows its progress. */
export function addClientOptions(command: Command, usualRetryFor: string): Command {
  return addOptions(addRetryFor(addAccess(command), usualRetryFor), GROUPS.output, OUTPUT);
}

/** The words that have a client wait as long again. */
export function retryWordsOf({ retryFor }: Pick<ClientValues, 'retryFor'>): string[] {
  return retryFor.isGiven ? ['--retry-for', retryFor.word] : [];
}

/** The words that reach a server in the same way again. */
export function accessWordsOf(values: AccessValues): string[] {
  return wordsAgain({ ...TOKEN_FILE, ...TLS }, values);
}
