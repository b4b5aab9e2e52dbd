/** The limits of `cairn serve`: their names on the command line, and what of the server they set. */
import { DEFAULT_LIMITS, type ServerLimits } from '../../../server/server-limits.ts';
import { MAX_TIMER_MS } from '../../options/duration.ts';
import { parseLimits, type LimitWord } from './limit-words.ts';
import { sizeText } from '../../options/size.ts';

interface SettableLimit extends LimitWord {
  readonly get: (limits: ServerLimits) => number | undefined;
  /** What was set so far, with this one. */
  readonly set: (limits: Partial<ServerLimits>, value: number) => Partial<ServerLimits>;
  /** What stands in the list where the server has no number. */
  readonly defaultText?: string;
}

type NumericLimit = {
  [Key in keyof ServerLimits]: ServerLimits[Key] extends number | undefined ? Key : never;
}[keyof ServerLimits];

const COUNT = { min: 1, max: 10_000_000 };
const ENTRIES = { min: 1, max: 1_000_000_000_000 };
const TIME = { min: 100, max: MAX_TIMER_MS };
const SMALL_SIZE = { min: 1024, max: 1024 ** 3 };
const SIZE = { min: 0, max: Number.MAX_SAFE_INTEGER };

function limit(
  name: string,
  key: NumericLimit,
  word: Pick<LimitWord, 'unit' | 'range' | 'what' | 'unlimited'> & { readonly defaultText?: string },
): SettableLimit {
  return {
    ...word,
    name,
    get: (limits) => limits[key],
    set: (limits, value) => ({ ...limits, [key]: value }),
  };
}

function manifestLimit(
  name: string,
  key: keyof ServerLimits['manifest'],
  word: Pick<LimitWord, 'unit' | 'range' | 'what'>,
): SettableLimit {
  return {
    ...word,
    name,
    get: ({ manifest }) => manifest[key],
    set: (limits, value) => ({
      ...limits,
      manifest: { ...DEFAULT_LIMITS.manifest, ...limits.manifest, [key]: value },
    }),
  };
}

const LIMITS: readonly SettableLimit[] = [
  limit('connections', 'maxConnections', {
    unit: 'count',
    range: COUNT,
    what: 'connections at a time',
  }),
  limit('connections-per-address', 'maxConnectionsPerAddress', {
    unit: 'count',
    range: COUNT,
    what: 'connections of one address (IPv6: one /64) at a time',
  }),
  limit('failed-authentications', 'maxFailedAuthentications', {
    unit: 'count',
    range: COUNT,
    what: 'wrong access tokens of one address before it has to wait',
  }),
  limit('failed-authentications-time', 'failedAuthenticationsOverMs', {
    unit: 'duration',
    range: TIME,
    what: 'how long it then has to wait, counted from the first wrong token',
  }),
  limit('headers-time', 'headersMs', {
    unit: 'duration',
    range: TIME,
    what: 'how long the headers of a request may take',
  }),
  limit('keep-alive', 'keepAliveMs', {
    unit: 'duration',
    range: TIME,
    what: 'how long a connection without a request is kept',
  }),
  limit('header-size', 'maxHeaderBytes', {
    unit: 'size',
    range: { min: 4096, max: 1024 ** 2 },
    what: 'size of the headers of a request, with its request line',
  }),
  limit('headers', 'maxHeaders', {
    unit: 'count',
    range: { min: 16, max: 2000 },
    what: 'header fields of a request',
  }),
  limit('request-line', 'maxTargetBytes', {
    unit: 'size',
    range: { min: 1024, max: 1024 ** 2 },
    what: 'size of the target in the request line',
  }),
  limit('body-idle', 'idleBodyMs', {
    unit: 'duration',
    range: TIME,
    what: 'how long no byte of a body or an answer may move',
  }),
  limit('body-rate', 'minBodyRate', {
    unit: 'rate',
    range: { min: 0, max: 1024 ** 3 },
    what: 'least bytes a second of a body or an answer',
  }),
  limit('body-rate-time', 'bodyRateOverMs', {
    unit: 'duration',
    range: TIME,
    what: 'time over which body-rate is averaged',
  }),
  limit('json', 'maxJsonBytes', { unit: 'size', range: SMALL_SIZE, what: 'size of a JSON message' }),
  limit('runs', 'maxRunsBytes', {
    unit: 'size',
    range: SMALL_SIZE,
    what: 'size of a JSON message that lists entries or chunks (plan, digests, commit)',
  }),
  manifestLimit('manifest-entries', 'maxEntries', {
    unit: 'count',
    range: { min: 1, max: 100_000_000 },
    what: 'entries of a tree',
  }),
  manifestLimit('manifest-size', 'maxBytes', {
    unit: 'size',
    range: { min: 1024, max: 1024 ** 4 },
    what: 'size of the manifest of a tree',
  }),
  limit('sessions', 'maxSessions', { unit: 'count', range: COUNT, what: 'unfinished transfers' }),
  limit('sessions-per-owner', 'maxSessionsPerPrincipal', {
    unit: 'count',
    range: COUNT,
    what: 'unfinished transfers of one owner',
  }),
  limit('grants-per-owner', 'maxGrantsPerPrincipal', {
    unit: 'count',
    range: COUNT,
    what: 'transfer grants of one owner that have not expired',
  }),
  limit('sessions-per-grant', 'maxSessionsPerGrant', {
    unit: 'count',
    range: COUNT,
    what: 'unfinished transfers with one transfer grant',
  }),
  limit('entries-per-owner', 'maxEntriesPerPrincipal', {
    unit: 'count',
    range: ENTRIES,
    what: 'entries in unfinished transfers of one owner',
  }),
  limit('entries-per-grant', 'maxEntriesPerGrant', {
    unit: 'count',
    range: ENTRIES,
    what: 'entries in unfinished pushes with one transfer grant',
  }),
  limit('parallel', 'parallelPerSession', {
    unit: 'count',
    range: { min: 1, max: 256 },
    what: 'chunks of one transfer at a time',
  }),
  limit('staging', 'maxStagingBytes', {
    unit: 'size',
    range: SIZE,
    unlimited: DEFAULT_LIMITS.maxStagingBytes,
    defaultText: 'unlimited',
    what: 'bytes of all unfinished pushes together',
  }),
  limit('free-disk', 'keepFreeBytes', {
    unit: 'size',
    range: SIZE,
    defaultText: '5% or 1G',
    what: 'bytes that a push has to leave free on the disk (default: the lesser; 0: none)',
  }),
];

/** The limits that `--limit` words set. @throws CairnError `usage` */
export function limitsOf(words: readonly string[]): Partial<ServerLimits> {
  const values = parseLimits(words, LIMITS);
  let limits: Partial<ServerLimits> = {};
  for (const { name, set } of LIMITS) {
    const value = values.get(name);
    if (value !== undefined) limits = set(limits, value);
  }
  return limits;
}

/** Every limit with its default and what it is about, a line each. */
export function limitsHelp(): string {
  const lines = LIMITS.map(
    (known) => `  ${known.name.padEnd(28)}${defaultOf(known).padEnd(11)}${known.what}\n`,
  );
  return `Limits of cairn serve, with their defaults; change them with --limit NAME=VALUE\n\n${lines.join('')}`;
}

function defaultOf({ unit, defaultText, get }: SettableLimit): string {
  const value = defaultText ?? get(DEFAULT_LIMITS);
  if (typeof value !== 'number') return value ?? '';
  if (unit === 'size') return sizeText(value);
  if (unit === 'duration') return `${value / 1000}s`;
  return unit === 'rate' ? `${value} B/s` : String(value);
}
