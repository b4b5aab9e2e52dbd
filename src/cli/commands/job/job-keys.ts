/** The keys of a job that are no options of its transfer: the values that they take. Messages continue after the key. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { CairnError } from '../../../base/errors.ts';
import { parseDuration } from '../../options/quantities.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import type { Argv } from './job.ts';

/** The first character is neither that of a hidden file nor that of an option. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;
/** What a name of a job may be, for messages. */
export const NAME_RULE =
  'a name of a job has 1 to 64 of the characters A-Z a-z 0-9 . _ - and does not begin with . or -';
const TEN_YEARS_MS = 3650 * 86_400_000;
const MOST_LEFT_OUT = 1_000_000;

/** Whether a job may be called so. */
export function isJobName(name: string): boolean {
  return NAME.test(name);
}

const takes =
  (what: string) =>
  ({ received }: { readonly received: string }): string =>
    `takes ${what}, not ${received}`;

const word = v.pipe(
  v.string(takes('a text')),
  v.check((text) => !text.includes('\0'), 'has a NUL character, which no program and no path can have'),
);
const text = v.pipe(word, v.nonEmpty('is empty'));

/** Makes a value of a text by a parser of the command line, whose message begins with the name of an option. */
function parsed<Value>(parse: (word: string) => Value) {
  return v.pipe(
    text,
    v.rawTransform<string, Value>(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value);
      } catch (error) {
        if (!(error instanceof CairnError)) throw error;
        addIssue({ message: error.message });
        return NEVER;
      }
    }),
  );
}

const isLocal = (path: string): boolean => isAbsolute(path) || path.startsWith('~/');
const localPath = v.pipe(
  text,
  v.check(isLocal, takes('an absolute path, or one that begins with ~/')),
  v.transform(atHome),
);

/** A path whose `~/` is the home of this user: a job runs from any directory, and no shell reads its file. */
export function atHome(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : path;
}

/** A list of paths; one alone may stand without brackets. */
const localPaths = v.pipe(
  v.custom<string | readonly unknown[]>(
    (value) => typeof value === 'string' || Array.isArray(value),
    takes('a path or a list of paths'),
  ),
  v.transform((value): readonly unknown[] => (typeof value === 'string' ? [value] : value)),
  v.array(localPath),
  v.nonEmpty('names no path'),
);

const argv = v.pipe(
  v.array(word, takes('a list of words, the program first')),
  v.check(([program = '']) => program !== '', 'names no program'),
  v.transform((words) => words as unknown as Argv),
);

const pingUrl = v.pipe(
  text,
  v.check(
    (url) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol),
    takes('the http(s) URL of a monitor'),
  ),
  v.transform((url) => new URL(url)),
  v.check(({ username, password }) => username + password === '', 'must not have a user or password'),
);

/** The destination of a pull. */
export const LocalPath = localPath;
/** The sources of a push. */
export const LocalPaths = localPaths;
/** The destination of a push, and what a pull reads from. */
export const ServerUrl = parsed(parseServerUrl);

/** `command` and `as`, which may also be said as `source.command` and `source.as`. */
export const STREAM_KEYS = {
  command: v.optional(argv),
  as: v.optional(
    v.pipe(
      text,
      v.check((name) => !/[/\\]|^\.{1,2}$/.test(name), takes('the name of a file, without a directory')),
    ),
  ),
};

/** `[job.NAME.ping]`. */
export const PING_KEYS = { url: pingUrl };

/** The keys of both ends of a transfer; what one of them has to be depends on the others. */
export const END_KEYS = ['source', 'command', 'as', 'from', 'to'] as const;

/** The other keys of `[job.NAME]`. */
export const JOB_KEYS = {
  'require': v.optional(localPaths),
  'before': v.optional(argv),
  'after': v.optional(argv),
  'on-failure': v.optional(argv),
  'partial-is-ok-up-to': v.optional(
    v.pipe(
      v.number(takes('a number of entries')),
      v.integer(takes('a whole number')),
      v.minValue(0, takes('a number from 0')),
      v.maxValue(MOST_LEFT_OUT, takes(`a number up to ${MOST_LEFT_OUT}`)),
    ),
    0,
  ),
  'overdue-after': v.optional(parsed((age) => parseDuration('overdue-after', age, { maxMs: TEN_YEARS_MS }))),
  'textfile': v.optional(localPath),
};

/** Keys that a user may try, and why they are refused. */
export const REFUSED_KEYS: Readonly<Record<string, string>> = {
  'keep': 'keep is reserved for snapshots, which this version of cairn does not have: leave it out',
  'token':
    'a secret does not belong into this file: put the token into a file that only you can read, and name that with token-file',
  'json': 'json belongs to a run, not to a job: cairn job run --json',
  'quiet': 'quiet belongs to a run, not to a job: cairn job run --quiet',
  'no-progress': 'no-progress belongs to a run, not to a job: cairn job run --no-progress',
  'verbose': 'verbose belongs to push and pull; a job names the entries that it leaves out',
  'dry-run': 'dry-run belongs to a run, not to a job: cairn job run --dry-run',
  'from-command': 'from-command is written command = ["PROGRAM", "ARGUMENT"]',
};
