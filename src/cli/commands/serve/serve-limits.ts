/** The limits of `cairn serve`, `--limit NAME=VALUE`: their names, and what of the server they set. */
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { DEFAULT_LIMITS, type ServerLimits } from '../../../server/server-limits.ts';
import { MAX_TIMER_MS, parseDuration, parseSize, sizeText } from '../../options/quantities.ts';
import { usage } from '../../options/usage.ts';
import { print } from '../../process/output.ts';

/** What a limit counts, and how its value is written. */
type LimitUnit = 'count' | 'size' | 'duration' | 'rate';

interface SettableLimit {
  readonly name: string;
  readonly unit: LimitUnit;
  /** Smallest and largest value: a count, bytes, milliseconds, or bytes a second. */
  readonly range: { readonly min: number; readonly max: number };
  /** Value of the word `unlimited`, where a limit can be none. */
  readonly unlimited?: number;
  /** One line for the list of limits. */
  readonly what: string;
  /** What stands in the list where the server has no number. */
  readonly defaultText?: string;
  readonly get: (limits: ServerLimits) => number | undefined;
  /** What was set so far, with this one. */
  readonly set: (limits: Partial<ServerLimits>, value: number) => Partial<ServerLimits>;
}

type LimitWord = Omit<SettableLimit, 'name' | 'get' | 'set'>;

const EXAMPLES: Readonly<Record<LimitUnit, string>> = {
  count: '100',
  size: '64K',
  duration: '30s',
  rate: '64',
};
const WHOLE_NUMBER = /^\d{1,15}$/;

type NumericLimit = {
  [Key in keyof ServerLimits]: ServerLimits[Key] extends number | undefined ? Key : never;
}[keyof ServerLimits];

const COUNT = { min: 1, max: 10_000_000 };
const ENTRIES = { min: 1, max: 1_000_000_000_000 };
const TIME = { min: 100, max: MAX_TIMER_MS };
const SMALL_SIZE = { min: 1024, max: 1024 ** 3 };
const SIZE = { min: 0, max: Number.MAX_SAFE_INTEGER };

function limit(name: string, key: NumericLimit, word: LimitWord): SettableLimit {
  return {
    ...word,
    name,
    get: (limits) => limits[key],
    set: (limits, value) => ({ ...limits, [key]: value }),
  };
}

function manifestLimit(name: string, key: keyof ServerLimits['manifest'], word: LimitWord): SettableLimit {
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
    what: 'longest time without a byte of a body or an answer',
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

/** The limits that `NAME=VALUE,…` words set; the last one of a name counts. @throws CairnError `usage` */
export function limitsOf(words: readonly string[]): Partial<ServerLimits> {
  let limits: Partial<ServerLimits> = {};
  for (const word of words.flatMap((each) => each.split(','))) {
    const [, name = word, text] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    const known = LIMITS.find((candidate) => candidate.name === name);
    if (known === undefined) {
      const what = `there is no limit "${name}"; "cairn serve --limit help" lists all limits`;
      throw usage(what, '--limit connections=1000');
    }
    if (text === undefined || text === '')
      throw usage(`--limit ${name} needs a value`, `--limit ${name}=${EXAMPLES[known.unit]}`);
    limits = known.set(limits, parseValue(known, text));
  }
  return limits;
}

/** The value of one limit: a count, bytes, milliseconds, or bytes a second. @throws CairnError `usage` */
function parseValue({ name, unit, range, unlimited }: SettableLimit, text: string): number {
  const option = `--limit ${name}`;
  if (text === 'unlimited' && unlimited !== undefined) return unlimited;
  if (unit === 'size') return parseSize(option, text, range);
  if (unit === 'duration') return parseDuration(option, text, { minMs: range.min, maxMs: range.max });
  const count = WHOLE_NUMBER.test(text) ? Number(text) : Number.NaN;
  if (count >= range.min && count <= range.max) return count;
  const kind = unit === 'rate' ? 'bytes a second' : 'a number';
  const what = `${option} takes ${kind} from ${range.min} to ${range.max}, not "${text}"`;
  throw usage(what, `${option}=${EXAMPLES[unit]}`);
}

/** `cairn serve --limit help`. */
export function runLimitsHelp(): ExitCode {
  print(limitsHelp());
  return EXIT.done;
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
