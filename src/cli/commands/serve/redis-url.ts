/** The URL of a Redis or Valkey. Pure. */
import { CairnError } from '../../../base/errors.ts';
import type { RedisPlace } from '../../../storage/state/redis/redis-link.ts';
import type { OptionSource } from '../../options/option.ts';
import { usage } from '../../options/usage.ts';

const DEFAULT_PORT = 6379;
/** By protocol, whether it is TLS. */
const PROTOCOLS: ReadonlyMap<string, boolean> = new Map([
  ['redis:', false],
  ['valkey:', false],
  ['rediss:', true],
  ['valkeys:', true],
]);
const EXAMPLE = '--redis redis://10.0.0.5:6379';

/**
 * Parses a URL. A user and a password may stand only in that of the environment: others can read the command line.
 *
 * @throws CairnError `usage`
 */
export function parseRedisUrl(option: string, word: string, source: OptionSource): RedisPlace {
  // Before anything shows the word: it may hold a password.
  if (source === 'command line' && word.includes('@')) throw userOnCommandLine(option);
  // A password that is not percent-encoded may stand in any part of what is no URL then.
  const shown = source === 'command line' ? `"${word}"` : 'what it is set to';
  if (!URL.canParse(word)) throw usage(`${option} takes a URL, not ${shown}`, EXAMPLE);
  const url = new URL(word);
  const isTls = PROTOCOLS.get(url.protocol);
  if (isTls === undefined || url.hostname === '')
    throw usage(`${option} takes redis://HOST[:PORT], or rediss:// with TLS, not ${shown}`, EXAMPLE);
  if (url.search !== '' || url.hash !== '')
    throw usage(`${option} takes no "?" and no "#", as in ${shown}`, EXAMPLE);
  const [, database] = /^\/?([0-9]{0,4})$/.exec(url.pathname) ?? [];
  if (database === undefined)
    throw usage(`${option} takes the number of a database after its host, not ${shown}`, `${EXAMPLE}/2`);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    isTls,
    database: Number(database),
    username: decoded(option, url.username),
    password: decoded(option, url.password),
    shown: `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`,
  };
}

function decoded(option: string, text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    const message = `${option}: its user or its password is not percent-encoded; write %25 for a percent sign`;
    throw new CairnError('usage', message, { cause: error });
  }
}

function userOnCommandLine(option: string): CairnError {
  return new CairnError(
    'usage',
    `${option} must not have a user or a password, which every process of this machine could read; set CAIRN_REDIS to the ` +
      'whole URL, or CAIRN_REDIS_PASSWORD or CAIRN_REDIS_PASSWORD_FILE',
  );
}
