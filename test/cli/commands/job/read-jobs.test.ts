import { homedir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { END_KEYS, JOB_KEYS } from '../../../../src/cli/commands/job/job-keys.ts';
import { readJobs } from '../../../../src/cli/commands/job/read-jobs.ts';
import { transferKeys } from '../../../../src/cli/commands/job/transfer-keys.ts';
import { createProgram } from '../../../../src/cli/program.ts';

const program = createProgram(() => undefined);
const read = (text: string) => readJobs(text, (direction) => transferKeys(program, direction));

/** The mistakes of a text as `line:column: message`. */
async function mistakesIn(text: string): Promise<string[]> {
  const { mistakes } = await read(text);
  return mistakes.map(({ line, column, message }) => `${line}:${column}: ${message}`);
}

/** A job that is right but for these lines, which begin on line 4. */
const jobWith = (...lines: string[]): string =>
  ['[job.home]', 'source = ["/home/u"]', 'to = "https://host/backups"', ...lines].join('\n');

const MISTAKES: readonly (readonly [what: string, text: string, mistake: string])[] = [
  ['a text that is no TOML', '[job.home]\nsource = ["/a"', '2:15: unterminated array'],
  ['a string without its end', '[job.home]\nto = "https://', '2:15: unterminated string constant'],
  [
    'a key that is given twice',
    jobWith('to = "https://host/b"'),
    '4:1: defining a key multiple times is invalid',
  ],
  ['a table that is given twice', jobWith('[job.home]'), '4:6: defining a key multiple times is invalid'],
  [
    'values that are nested too deep',
    `a = ${'['.repeat(40_000)}${']'.repeat(40_000)}`,
    '1:1: the values are nested too deep',
  ],
  ['a table that there is not', '[jobs.home]', '1:2: there is no key "jobs"; did you mean "job"?'],
  ['a job that is no table', '[job]\nhome = 5', '2:1: job.home has to be a table: [job.home]'],
  ['jobs that are no table', 'job = 5', '1:1: job takes tables: [job.NAME]'],
  [
    'a name with other characters',
    '[job."a b"]',
    '1:6: "a b" is no name of a job: a name of a job has 1 to 64 of the characters A-Z a-z 0-9 . _ - and does not begin with . or -',
  ],
  [
    'a key with a typing error',
    jobWith('exlude-caches = true', 'parallell = 4'),
    '5:1: there is no key "parallell"; did you mean "parallel"?',
  ],
  [
    'a key of the future',
    jobWith('keep = { last = 7 }'),
    '4:1: keep is reserved for snapshots, which this version of cairn does not have: leave it out',
  ],
  [
    'a secret',
    jobWith('token = "abc"'),
    '4:1: a secret does not belong into this file: put the token into a file that only you can read, and name that with token-file',
  ],
  [
    'an option of a run',
    jobWith('quiet = true'),
    '4:1: quiet belongs to a run, not to a job: cairn job run --quiet',
  ],
  [
    'no source',
    '[job.home]\nto = "https://host/"',
    '1:1: source, command or from is missing: what does this job transfer?',
  ],
  [
    'no destination',
    '[job.home]\nsource = "/a"',
    '1:1: to is missing: where does this job put what it transfers?',
  ],
  ['two sources', jobWith('command = ["date"]'), '4:1: a job has source or command, and not both'],
  [
    'a source of each direction',
    jobWith('from = "https://host/"'),
    '4:1: a job has source or from, and not both',
  ],
  ['a name for no output', jobWith('as = "x"'), '4:1: as names the output of a command'],
  [
    'a relative source',
    '[job.home]\nto = "https://host/"\nsource = ["/a", "b"]',
    '3:17: source takes an absolute path, or one that begins with ~/, not "b"',
  ],
  [
    'a source that is no text',
    '[job.home]\nto = "https://host/"\nsource = [5]',
    '3:11: source takes a text, not 5',
  ],
  ['an empty source', '[job.home]\nto = "https://host/"\nsource = []', '3:10: source names no path'],
  [
    'a key of source',
    '[job.a]\nto = "https://h/"\nsource.comand = ["x"]',
    '3:8: there is no key "comand"; did you mean "command"?',
  ],
  [
    'a command that is a text',
    '[job.home]\nto = "https://host/"\ncommand = "date"',
    '3:11: command takes a list of words, the program first, not "date"',
  ],
  [
    'a name with a directory',
    '[job.a]\nto = "https://h/"\ncommand = ["x"]\nas = "../x"',
    '4:6: as takes the name of a file, without a directory, not "../x"',
  ],
  [
    'a destination with a password',
    '[job.home]\nsource = "/a"\nto = "https://me:secret@host/"',
    '3:6: a URL must not have a user or password, which every process of this machine could read; put the token into a file that only you can read and give --token-file FILE, or set CAIRN_TOKEN',
  ],
  [
    'a local destination of a pull that is relative',
    '[job.a]\nfrom = "https://h/"\nto = "b"',
    '3:6: to takes an absolute path, or one that begins with ~/, not "b"',
  ],
  [
    'a hook that is a text',
    jobWith('before = "mount /x"'),
    '4:10: before takes a list of words, the program first, not "mount /x"',
  ],
  ['a hook without a program', jobWith('on-failure = []'), '4:14: on-failure names no program'],
  [
    'a word with a NUL character',
    jobWith(String.raw`after = ["a", "\u0000"]`),
    '4:15: after has a NUL character, which no program and no path can have',
  ],
  [
    'a number that is none',
    jobWith('partial-is-ok-up-to = "5"'),
    '4:23: partial-is-ok-up-to takes a number of entries, not "5"',
  ],
  [
    'a number below zero',
    jobWith('partial-is-ok-up-to = -1'),
    '4:23: partial-is-ok-up-to takes a number from 0, not -1',
  ],
  [
    'an age that is none',
    jobWith('overdue-after = "soon"'),
    '4:17: overdue-after takes a duration, not "soon"; for example: overdue-after 5m (or 250ms, 30s, 1h30m, 7d)',
  ],
  [
    'a monitor that is a text',
    jobWith('ping = "https://hc/"'),
    '4:1: ping has to be a table: ping = { url = "https://…" }',
  ],
  [
    'a monitor of another kind',
    jobWith('ping = { url = "ftp://hc/" }'),
    '4:16: url takes the http(s) URL of a monitor, not "ftp://hc/"',
  ],
  ['a monitor without URL', jobWith('[job.home.ping]'), '4:1: url is missing'],
  [
    'a size that is none',
    jobWith('bwlimit = "10Q"'),
    '4:11: bwlimit takes a size, not "10Q"; for example: bwlimit 8M (or 64K, 1.5GiB, 10MB)',
  ],
  ['a switch that is a number', jobWith('checksum = 1'), '4:12: checksum takes true or false'],
  [
    'an option that takes one of a few words',
    jobWith('sync = "never"'),
    '4:8: sync takes one of always, group, close, not "never"; for example: sync always',
  ],
  [
    'a relative path in an option',
    jobWith('token-file = "token"'),
    '4:14: token-file takes an absolute path, or one that begins with ~/',
  ],
];

describe('job files', () => {
  it.each(MISTAKES)('a job file with %s is refused with line and column', async (_what, text, mistake) => {
    expect(await mistakesIn(text)).toContain(mistake);
  });

  it('all mistakes of a job file are reported at once, in their order, and each names its job', async () => {
    const text = '[job.a]\nsource = 5\nto = "x"\n[job.b]\nfoo = 1\n[job.c]\nsource = "/a"\nto = "https://h/"';
    const { jobs, mistakes, names } = await read(text);
    expect(mistakes.map(({ line, job }) => [line, job])).toEqual([
      [2, 'a'],
      [3, 'a'],
      [4, 'b'],
      [4, 'b'],
      [5, 'b'],
    ]);
    expect(names).toEqual(['a', 'b', 'c']);
    expect(jobs.map(({ name }) => name)).toEqual(['c']);
  });

  it('a mistake in a job file lists the keys that there are if none is near to the given one', async () => {
    const [mistake] = await mistakesIn(jobWith('frequency = "daily"'));
    expect(mistake).toMatch(
      /^4:1: there is no key "frequency"; a job has the keys acls, after, archive, as, backup-dir, before, /,
    );
  });
});

describe('jobs', () => {
  it('a job becomes the words of a push, with its options by their names and in their order', async () => {
    const text = jobWith(
      'parallel = 4',
      'bwlimit = "08:00,1M 19:00,off"',
      'checksum = true',
      'preserve-modes = false',
      'chmod = ["-w", "D755"]',
    );
    const { jobs, mistakes } = await read(text);
    expect(mistakes).toEqual([]);
    expect(jobs[0]).toMatchObject({
      direction: 'push',
      options: ['--parallel=4', '--bwlimit=08:00,1M 19:00,off', '--checksum', '--chmod=-w', '--chmod=D755'],
      words: ['/home/u', 'https://host/backups'],
    });
  });

  it('a job with a URL to pull from becomes the words of a pull', async () => {
    const { jobs } = await read('[job.r]\nfrom = "https://host/web"\nto = "/srv/web"\nchecksum = true');
    expect(jobs[0]).toMatchObject({
      direction: 'pull',
      options: ['--checksum'],
      words: ['https://host/web', '/srv/web'],
    });
  });

  it.each([
    ['as two keys', 'command = ["pg_dump", "", "db"]\nas = "d b.sql"'],
    ['below source', 'source.command = ["pg_dump", "", "db"]\nsource.as = "d b.sql"'],
    ['as a table', 'source = { command = ["pg_dump", "", "db"], as = "d b.sql" }'],
  ])('a job pushes the output of a command, written %s', async (_how, source) => {
    const { jobs, mistakes } = await read(`[job.db]\nto = "https://host/dumps/"\n${source}`);
    expect(mistakes).toEqual([]);
    const url = 'https://host/dumps/d%20b.sql';
    expect(jobs[0]?.words).toEqual(['--from-command', url, '--', 'pg_dump', '', 'db']);
  });

  it('a job has the home of the user for ~/ in its paths', async () => {
    const text = '[job.a]\nsource = ["~/a"]\nto = "https://h/"\nrequire = "~/b"\ntoken-file = "~/c"';
    const { jobs } = await read(text);
    const home = homedir();
    expect(jobs[0]).toMatchObject({
      words: [`${home}/a`, 'https://h/'],
      require: [`${home}/b`],
      options: [`--token-file=${home}/c`],
      tokenFile: { path: `${home}/c`, line: 5, column: 14 },
    });
  });

  it('a job keeps its place in the file, even if its name is a number', async () => {
    const job = (name: string): string => `[job.${name}]\nsource = "/a"\nto = "https://h/"\n`;
    const { names } = await read([job('b'), job('2'), job('1'), job('__proto__')].join(''));
    expect(names).toEqual(['b', '2', '1', '__proto__']);
  });

  it('a job can have each option of push and pull that does not concern one run only', () => {
    const own = ['json', 'quiet', 'progress', 'verbose', 'dry-run', 'from-command'];
    for (const direction of ['push', 'pull'] as const) {
      const command = program.commands.find((each) => each.name() === direction)!;
      const names = command.options.map(({ long }) => long!.replace(/^--(?:no-)?/, ''));
      const expected = names.filter((name) => !own.includes(name));
      expect([...transferKeys(program, direction).keys()]).toEqual(expected);
    }
  });

  it('a job has no key of its own that is also an option', () => {
    const own = [...Object.keys(JOB_KEYS), ...END_KEYS, 'ping'];
    for (const direction of ['push', 'pull'] as const)
      expect(own.filter((key) => transferKeys(program, direction).has(key))).toEqual([]);
  });

  it('a job selects entries by rules in the order in which they stand', async () => {
    const text = jobWith('exclude-caches = true', 'include = "keep.log"', 'exclude = ["*.log", "-x"]');
    const { jobs, mistakes } = await read(text);
    expect(mistakes).toEqual([]);
    expect(jobs[0]?.options).toEqual([
      '--exclude-caches',
      '--include=keep.log',
      '--exclude=*.log',
      '--exclude=-x',
    ]);
  });
});
