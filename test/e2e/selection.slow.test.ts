import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliResult } from '../support/cli.ts';
import { canMount, hasProgram, mountTmpfs } from '../support/requirements.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const CACHE_TAG = 'Signature: 8a477f597d28d172789f06886806bc55\n# a comment';
const DAY_S = 86_400;

interface Scene {
  readonly server: DiskServer;
  readonly source: string;
  readonly environment: CliEnvironment;
  readonly url: string;
  /** Pushes the source with these options to an empty place; answers the paths that arrived, too. */
  push(
    options: readonly string[],
    more?: Partial<CliEnvironment>,
  ): Promise<CliResult & { arrived: string[] }>;
  /** Pulls the whole source, which is on the server already, with these options. */
  pull(
    options: readonly string[],
    more?: Partial<CliEnvironment>,
  ): Promise<CliResult & { arrived: string[] }>;
}

/** All paths below a directory in order, directories with a slash at their end. */
function pathsIn(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .map(
      (entry) =>
        path.relative(root, path.join(entry.parentPath, entry.name)) + (entry.isDirectory() ? '/' : ''),
    )
    .toSorted();
}

function write(root: string, name: string, content: string | Buffer = name): void {
  const file = path.join(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** @param writeTree makes the source */
async function openScene(writeTree: (source: string) => void): Promise<Scene> {
  const server = await startDiskServer();
  const source = temporaryDirectory();
  writeTree(source);
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const url = `${server.url}/tree`;
  return {
    server,
    source,
    environment,
    url,
    push: async (options, more = {}) => {
      const result = await cairn(['push', '--json', ...options, source, url], { ...environment, ...more });
      return { ...result, arrived: pathsIn(path.join(server.root, 'tree')) };
    },
    pull: async (options, more = {}) => {
      cpSync(source, path.join(server.root, 'there'), {
        recursive: true,
        preserveTimestamps: true,
        verbatimSymlinks: true,
      });
      const destination = path.join(temporaryDirectory(), 'out');
      const args = ['pull', '--json', ...options, `${server.url}/there`, destination];
      const result = await cairn(args, { ...environment, ...more });
      return { ...result, arrived: pathsIn(destination) };
    },
  };
}

function writeProject(source: string): void {
  write(source, 'src/main.c');
  write(source, 'src/main.o');
  write(source, 'src/keep.o');
  write(source, 'build/out', 'x'.repeat(5000));
  write(source, 'build/deep/er');
  write(source, 'sub/build', 'a file of that name');
  symlinkSync('src', path.join(source, 'link'));
}

const WHOLE = [
  'build/',
  'build/deep/',
  'build/deep/er',
  'build/out',
  'link',
  'src/',
  'src/keep.o',
  'src/main.c',
  'src/main.o',
  'sub/',
  'sub/build',
];

function without(...out: string[]): string[] {
  return WHOLE.filter(
    (each) => !out.some((name) => each === name || (name.endsWith('/') && each.startsWith(name))),
  );
}

interface Case {
  readonly options: readonly string[];
  readonly arrives: readonly string[];
  readonly unselected: number;
}

const CASES: readonly (Case & { readonly what: string })[] = [
  {
    what: 'a directory, wherever it is',
    options: ['--exclude', 'build/'],
    arrives: without('build/'),
    unselected: 1,
  },
  {
    what: 'names at the top alone',
    options: ['--exclude', '/build'],
    arrives: without('build/'),
    unselected: 1,
  },
  {
    what: 'what a later rule takes again',
    options: ['--exclude', '*.o', '--include', 'keep.o'],
    arrives: without('src/main.o'),
    unselected: 1,
  },
  {
    what: 'what a later rule leaves out again',
    options: ['--include', 'keep.o', '--exclude', '*.o'],
    arrives: without('src/main.o', 'src/keep.o'),
    unselected: 2,
  },
  {
    what: 'everything but one kind',
    options: ['--exclude', '*', '--include', '*/', '--include', '*.c'],
    arrives: ['build/', 'build/deep/', 'src/', 'src/main.c', 'sub/'],
    unselected: 6,
  },
  { what: 'large files', options: ['--max-size', '4K'], arrives: without('build/out'), unselected: 1 },
  {
    what: 'small files, and no links',
    options: ['--min-size', '4K'],
    arrives: ['build/', 'build/deep/', 'build/out', 'link', 'src/', 'sub/'],
    unselected: 5,
  },
];

describe.each(['push', 'pull'] as const)('selections of a %s', (direction) => {
  test.each(CASES)(
    `a ${direction} leaves out $what, and counts it`,
    async ({ options, arrives, unselected }) => {
      const scene = await openScene(writeProject);
      const result = await scene[direction](options);
      expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { unselected, excluded: 0 } });
      expect(result.arrived).toEqual(arrives);
      expect(result.last['entries']).toBe(arrives.length + 1);
    },
  );

  test(`a ${direction} fetches no byte of what it leaves out`, async () => {
    const scene = await openScene((source) => {
      write(source, 'a', 'wanted');
      writeRandomFile(path.join(source, 'b/large'), 3_000_000);
      write(source, 'b/small', 'beside it in a chunk');
    });
    const result = await scene[direction](['--exclude', 'b']);
    const moved = direction === 'push' ? 'bytesSent' : 'bytesReceived';
    expect(result.last, result.stderr).toMatchObject({
      [moved]: 6,
      bytesTotal: 6,
      bytesSkipped: 0,
      entries: 2,
      changed: 2,
    });
    expect(result.arrived).toEqual(['a']);
  });

  test(`a ${direction} takes rules from files, in the order of the command line`, async () => {
    const scene = await openScene(writeProject);
    const lists = temporaryDirectory();
    write(lists, 'excludes', '# objects\n\n*.o\r\nsub\n');
    write(lists, 'filters', '!keep.o\nbuild/*\n!build/deep\n');
    const result = await scene[direction](['--exclude-from', 'excludes', '--filter-from', 'filters'], {
      cwd: lists,
    });
    expect(result.arrived, result.stderr).toEqual(without('src/main.o', 'sub/', 'build/out'));
    const turned = await scene[direction]([
      '--filter-from',
      path.join(lists, 'filters'),
      '--exclude-from',
      path.join(lists, 'excludes'),
      '--dry-run',
    ]);
    const named = turned.lines.filter(({ type }) => type === 'unselected').map(({ path: at }) => at);
    expect(named).toEqual(['build/out', 'src/keep.o', 'src/main.o', 'sub']);
  });

  test(`a ${direction} chooses files by their age`, async () => {
    const now = Date.now() / 1000;
    const scene = await openScene((source) => {
      for (const [name, days] of [
        ['new', 1],
        ['middle', 10],
        ['old', 100],
      ] as const) {
        write(source, name);
        utimesSync(path.join(source, name), now, now - days * DAY_S);
      }
    });
    const result = await scene[direction](['--min-age', '5d', '--max-age', '50d']);
    expect(result.arrived, result.stderr).toEqual(['middle']);
    expect(result.last).toMatchObject({ unselected: 2 });
  });

  test(`a ${direction} takes listed paths, what is in them and their parents, and names what is missing`, async () => {
    const scene = await openScene(writeProject);
    const list = path.join(temporaryDirectory(), 'list');
    writeFileSync(list, './src/main.c\nbuild/deep/\nnowhere/x\n\n');
    const result = await scene[direction](['--files-from', list]);
    expect(result, result.stderr).toMatchObject({
      exitCode: 3,
      last: { excluded: 1, unselected: 0, entries: 6 },
    });
    expect(result.arrived).toEqual(['build/', 'build/deep/', 'build/deep/er', 'src/', 'src/main.c']);
    expect(result.lines).toContainEqual(
      expect.objectContaining({ type: 'warning', code: 'source-missing', path: 'nowhere/x' }),
    );
  });

  test(`a ${direction} takes a list of paths from standard input, with NUL between them`, async () => {
    const scene = await openScene((source) => {
      write(source, 'odd\nname');
      write(source, 'other');
    });
    const result = await scene[direction](['--files-from', '-', '-0'], {
      stdin: [Buffer.from('odd\nname\0')],
    });
    expect(result.arrived, result.stderr).toEqual(['odd\nname']);
  });

  test(`a ${direction} transfers nothing for an empty list of paths, and says so`, async () => {
    const scene = await openScene(writeProject);
    const result = await scene[direction](['--files-from', '-'], { stdin: [] });
    expect(result, result.stderr).toMatchObject({ exitCode: 0, arrived: [], last: { entries: 0 } });
    expect(result.stderr).toContain('the list of paths is empty, so nothing is transferred');
  });

  test.each(['../secret', '/etc/passwd', 'a/../../b'])(
    `a ${direction} refuses the listed path %s, and names its line`,
    async (bad) => {
      const scene = await openScene(writeProject);
      const result = await scene[direction](['--files-from', '-'], { stdin: [Buffer.from(`src\n${bad}\n`)] });
      expect(result, result.stderr).toMatchObject({ exitCode: 2, arrived: [] });
      expect(result.stderr).toContain(`line 2 of standard input: "${bad}"`);
    },
  );

  test(`a ${direction} names in a dry run what would happen to which entry, and changes nothing`, async () => {
    const scene = await openScene(writeProject);
    const result = await scene[direction](['--dry-run', '--exclude', 'build/', '--max-size', '8']);
    expect(result.arrived).toEqual([]);
    const of = (type: string): unknown[] => result.lines.filter((line) => line['type'] === type);
    expect(of('unselected')).toEqual([
      {
        type: 'unselected',
        path: 'build',
        kind: 'directory',
        why: 'rule',
        pattern: 'build/',
        from: '--exclude',
      },
      ...['src/keep.o', 'src/main.c', 'src/main.o', 'sub/build'].map((at) => ({
        type: 'unselected',
        path: at,
        kind: 'file',
        why: 'too-large',
      })),
    ]);
    const would = result.lines.filter(({ type }) => type === 'would').map(({ path: at }) => at);
    expect(would).toEqual([direction === 'push' ? '.' : 'there', 'link', 'src', 'sub']);
    expect(result.last).toMatchObject({ unselected: 5, entries: 4 });
  });

  test(`a ${direction} goes on with the same selection, wherever its rules come from`, async () => {
    const scene = await openScene((source) => {
      writeRandomFile(path.join(source, 'a'), 1_500_000);
      writeRandomFile(path.join(source, 'secret'), 200_000);
      write(source, 'x.o');
    });
    const { server, source, environment } = scene;
    cpSync(source, path.join(server.root, 'there'), { recursive: true });
    const destination = path.join(temporaryDirectory(), 'out');
    const places = direction === 'push' ? [source, scene.url] : [`${server.url}/there`, destination];
    const args = (...selection: string[]): string[] => [
      direction,
      '--json',
      '--chunk-size',
      '64K',
      '--sync',
      'always',
      ...selection,
      ...places,
    ];
    const interrupt = async (...selection: string[]): Promise<void> => {
      const run = startCairn([...args(...selection), '--bwlimit', '100K'], environment);
      await untilLine(run, ({ bytesDone }) => typeof bytesDone === 'number' && bytesDone > 150_000);
      run.child.kill('SIGINT');
      expect(await run.result).toMatchObject({ exitCode: 130 });
    };
    await interrupt('--exclude', '*.o');
    const list = await cairn(['transfers', 'list', '--json'], environment);
    expect(list.stdout.toString()).toContain('--exclude');
    const same = await cairn(args('--filter-from', writeRules('# the same\n*.o\n')), environment);
    expect(same, same.stderr).toMatchObject({ exitCode: 0, last: { unselected: 1 } });
    expect(same.last['bytesResumed']).toBeGreaterThan(0);
    const arrivedIn = direction === 'push' ? path.join(server.root, 'tree') : destination;
    expect(pathsIn(arrivedIn)).toEqual(['a', 'secret']);
  });

  test(`a ${direction} gives up an unfinished transfer of another selection, so that nothing it leaves out arrives`, async () => {
    const scene = await openScene((source) => {
      writeRandomFile(path.join(source, 'a'), 1_500_000);
      writeRandomFile(path.join(source, 'secret'), 200_000);
    });
    const { server, source, environment } = scene;
    cpSync(source, path.join(server.root, 'there'), { recursive: true });
    const destination = path.join(temporaryDirectory(), 'out');
    const places = direction === 'push' ? [source, scene.url] : [`${server.url}/there`, destination];
    const words = [direction, '--json', '--chunk-size', '64K', '--sync', 'always'];
    const run = startCairn([...words, '--bwlimit', '100K', ...places], environment);
    await untilLine(run, ({ bytesDone }) => typeof bytesDone === 'number' && bytesDone > 150_000);
    run.child.kill('SIGINT');
    expect(await run.result).toMatchObject({ exitCode: 130 });
    const other = await cairn([...words, '--exclude', 'secret', ...places], environment);
    expect(other, other.stderr).toMatchObject({ exitCode: 0, last: { unselected: 1, bytesResumed: 0 } });
    expect(other.stderr).toContain('selects other entries than this run; it starts over');
    expect(pathsIn(direction === 'push' ? path.join(server.root, 'tree') : destination)).toEqual(['a']);
  });

  test.skipIf(!hasProgram('rsync'))(
    `a ${direction} takes the same entries of a list as rsync (needs rsync)`,
    async () => {
      const scene = await openScene(writeProject);
      const list = path.join(temporaryDirectory(), 'list');
      writeFileSync(list, 'src/main.c\nbuild\n./link\nsub/build\n');
      const result = await scene[direction](['--files-from', list]);
      const expected = temporaryDirectory();
      execFileSync('rsync', ['-a', '-r', '--files-from', list, `${scene.source}/`, expected]);
      expect(result.arrived, result.stderr).toEqual(pathsIn(expected));
    },
  );
});

function writeRules(text: string): string {
  const file = path.join(temporaryDirectory(), 'rules');
  writeFileSync(file, text);
  return file;
}

/** Pushes the source slowly, with these options, and stops that once some of it has crossed. */
async function interruptedPush({ source, url, environment }: Scene, ...options: string[]): Promise<string[]> {
  const words = ['push', '--json', '--chunk-size', '64K', '--sync', 'always', ...options];
  const run = startCairn([...words, '--bwlimit', '100K', source, url], environment);
  await untilLine(run, ({ bytesDone }) => typeof bytesDone === 'number' && bytesDone > 150_000);
  run.child.kill('SIGINT');
  expect(await run.result).toMatchObject({ exitCode: 130 });
  return [...words, source, url];
}

test.each([
  ['changes', '*.o\nsecret\n', 'sub/.cairnignore'],
  ['comes at the top', 'secret\n', '.cairnignore'],
])(
  'a push starts over where a .cairnignore %s meanwhile, so that nothing it names arrives',
  async (_what, rules, at) => {
    const scene = await openScene((source) => {
      writeRandomFile(path.join(source, 'sub/a'), 1_500_000);
      writeRandomFile(path.join(source, 'sub/secret'), 200_000);
      write(source, 'sub/.cairnignore', '*.o\n');
    });
    const words = await interruptedPush(scene);
    write(scene.source, at, rules);
    const result = await cairn(words, scene.environment);
    expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { unselected: 1, bytesResumed: 0 } });
    expect(result.stderr).toContain('the .cairnignore files in the source have changed');
    expect(pathsIn(path.join(scene.server.root, 'tree'))).not.toContain('sub/secret');
  },
);

test('a .cairnignore that comes deep in the source meanwhile counts in the scan that finds it', async () => {
  const scene = await openScene((source) => {
    writeRandomFile(path.join(source, 'a'), 1_500_000);
    write(source, 'sub/deep/b');
  });
  const words = await interruptedPush(scene);
  write(scene.source, 'sub/deep/.cairnignore', 'secret\n');
  write(scene.source, 'sub/deep/secret');
  write(scene.source, 'sub/deep/c');
  const result = await cairn(words, scene.environment);
  expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { unselected: 1 } });
  expect(result.last['bytesResumed']).toBeGreaterThan(0);
  expect(pathsIn(path.join(scene.server.root, 'tree', 'sub/deep')).toSorted()).toEqual([
    '.cairnignore',
    'b',
    'c',
  ]);
});

test('a push goes on where its .cairnignore is as it was, and resume needs the list of standard input again', async () => {
  const scene = await openScene((source) => {
    writeRandomFile(path.join(source, 'a'), 1_500_000);
    write(source, '.cairnignore', '*.o\n');
  });
  const words = await interruptedPush(
    { ...scene, environment: { ...scene.environment, stdin: [Buffer.from('a\n')] } },
    '--files-from',
    '-',
  );
  const resumed = await cairn(['transfers', 'resume', '--json'], scene.environment);
  expect(resumed, resumed.stderr).toMatchObject({ exitCode: 3 });
  expect(resumed.stderr).toContain('its list came from standard input');
  const again = await cairn(words, { ...scene.environment, stdin: [Buffer.from('./a')] });
  expect(again, again.stderr).toMatchObject({ exitCode: 0 });
  expect(again.last['bytesResumed']).toBeGreaterThan(0);
  expect(pathsIn(path.join(scene.server.root, 'tree'))).toEqual(['a']);
});

test('CAIRN_EXCLUDE gives rules before those of the command line', async () => {
  const { push } = await openScene(writeProject);
  const result = await push(['--include', 'keep.o'], { env: { CAIRN_EXCLUDE: '*.o' } });
  expect(result.arrived, result.stderr).toEqual(without('src/main.o'));
});

describe('.cairnignore files', () => {
  const writeTree = (source: string): void => {
    write(source, '.cairnignore', '*.tmp\n/top\n');
    write(source, 'a.tmp');
    write(source, 'top');
    write(source, 'sub/top');
    write(source, 'sub/a.tmp');
    write(source, 'sub/.cairnignore', '!a.tmp\nb/\n');
    write(source, 'sub/b/c');
  };

  test('the rules of .cairnignore files count in every directory, deeper ones first, and are carried themselves', async () => {
    const { push } = await openScene(writeTree);
    const result = await push([]);
    expect(result.arrived, result.stderr).toEqual([
      '.cairnignore',
      'sub/',
      'sub/.cairnignore',
      'sub/a.tmp',
      'sub/top',
    ]);
    expect(result.last).toMatchObject({ unselected: 3 });
  });

  test('the rules of .cairnignore files give way to options', async () => {
    const { push } = await openScene(writeTree);
    const result = await push(['--include', '/top', '--exclude', '.cairnignore', '--exclude', 'sub/a.tmp']);
    expect(result.arrived, result.stderr).toEqual(['sub/', 'sub/top', 'top']);
  });

  test('the rules of .cairnignore files are turned off by --no-ignore-files, and mean nothing in a pull', async () => {
    const { push, pull, source } = await openScene(writeTree);
    const whole = pathsIn(source);
    expect((await push(['--no-ignore-files'])).arrived).toEqual(whole);
    expect((await pull([])).arrived).toEqual(whole);
  });

  test('a .cairnignore file that cannot be read is named, and the rest arrives', async () => {
    const { push } = await openScene((source) => {
      write(source, 'a');
      symlinkSync('elsewhere', path.join(source, '.cairnignore'));
    });
    const result = await push([]);
    expect(result, result.stderr).toMatchObject({ exitCode: 3, last: { excluded: 1 } });
    expect(result.arrived).toEqual(['.cairnignore', 'a']);
    expect(result.stdout.toString()).toContain('could not be read and do not count');
  });

  test('the rules of .cairnignore files hold for both sides of a comparison', async () => {
    const { push, source, server, environment, url } = await openScene(writeTree);
    await push([]);
    write(server.root, 'tree/sub/b/left-from-before');
    const result = await cairn(['verify', '--json', source, url], environment);
    expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { equal: 5, unselected: 3 } });
    const all = await cairn(['verify', '--json', '--no-ignore-files', source, url], environment);
    expect(all).toMatchObject({ exitCode: 7 });
  });
});

test('a push leaves caches empty but for their tag, where its signature is right', async () => {
  const { push, source } = await openScene((at) => {
    write(at, 'cache/CACHEDIR.TAG', CACHE_TAG);
    write(at, 'cache/a/b');
    write(at, 'no-cache/CACHEDIR.TAG', 'Signature: none');
    write(at, 'no-cache/a');
  });
  const result = await push(['--exclude-caches', '--verbose']);
  expect(result.arrived, result.stderr).toEqual([
    'cache/',
    'cache/CACHEDIR.TAG',
    'no-cache/',
    'no-cache/CACHEDIR.TAG',
    'no-cache/a',
  ]);
  expect(result.lines).toContainEqual({
    type: 'unselected',
    path: 'cache/',
    kind: 'directory',
    why: 'cache',
  });
  expect((await push([])).arrived).toEqual(pathsIn(source));
});

test.skipIf(!canMount)(
  'a push with -x leaves directories on other file systems empty, and names them (needs root)',
  async () => {
    const { push, source } = await openScene((at) => {
      write(at, 'a/b');
      mkdirSync(path.join(at, 'mounted'));
    });
    mountTmpfs(path.join(source, 'mounted'), 65_536);
    write(source, 'mounted/there');
    const result = await push(['--one-file-system', '--verbose']);
    expect(result.arrived, result.stderr).toEqual(['a/', 'a/b', 'mounted/']);
    expect(result.lines).toContainEqual({
      type: 'unselected',
      path: 'mounted/',
      kind: 'directory',
      why: 'other-file-system',
    });
  },
);

test('an entry that the server cannot list makes nothing partial where it is left out', async () => {
  const { server, source, environment, url } = await openScene((at) => write(at, 'a'));
  await cairn(['push', source, url], environment);
  execFileSync('mkfifo', [path.join(server.root, 'tree/pipe')]);
  const destination = path.join(temporaryDirectory(), 'out');
  const exitCodes = async (...options: string[]): Promise<unknown[]> => {
    const results = [
      await cairn(['pull', ...options, url, destination], environment),
      await cairn(['ls', '-R', ...options, url], environment),
      await cairn(['verify', ...options, source, url], environment),
    ];
    return results.map(({ exitCode }) => exitCode);
  };
  expect(await exitCodes()).toEqual([3, 3, 3]);
  expect(await exitCodes('--exclude', 'pipe')).toEqual([0, 0, 0]);
});

test('a listing shows what is selected, and counts the rest', async () => {
  const { push, server, environment, url } = await openScene(writeProject);
  await push([]);
  const list = async (...options: string[]): Promise<unknown[]> => {
    const { lines, last } = await cairn(['ls', '--json', ...options, url], environment);
    return [...lines.filter(({ type }) => type === 'entry').map((line) => line['path']), last['unselected']];
  };
  expect(await list('--exclude', 'build')).toEqual(['', 'link', 'src', 'sub', 1]);
  write(server.root, 'tree/build/CACHEDIR.TAG', 'Signature: 8a477f597d28d172789f06886806bc55\n');
  expect(await list('-R', '--exclude-caches', '--exclude', 'src')).toEqual([
    '',
    'build',
    'build/CACHEDIR.TAG',
    'link',
    'sub',
    'sub/build',
    2,
  ]);
  expect(await list('-R', '--exclude', 'build', '--max-size', '8')).toEqual(['', 'link', 'src', 'sub', 5]);
});

test('a comparison is about what is selected alone, on both sides', async () => {
  const { push, source, server, environment, url } = await openScene(writeProject);
  await push(['--exclude', 'build/']);
  write(server.root, 'tree/more.o');
  const verify = (...options: string[]): Promise<CliResult> =>
    cairn(['verify', '--json', ...options, source, url], environment);
  // The directory that got the file has another time, which does not count.
  expect(await verify('--exclude', 'build/', '--exclude', '*.o')).toMatchObject({
    exitCode: 0,
    last: { equal: 5, differing: 1, unselected: 4 },
  });
  const other = await verify('--exclude', 'build/');
  expect(other.lines).toContainEqual({ type: 'difference', path: 'more.o', why: 'missing-local' });
  expect(other.exitCode).toBe(7);
  const listed = await cairn(['verify', '--json', '--files-from', '-', source, url], {
    ...environment,
    stdin: [Buffer.from('src\nnowhere\n')],
  });
  expect(listed.lines).toContainEqual({ type: 'difference', path: 'nowhere', why: 'missing-both' });
  expect(listed, listed.stderr).toMatchObject({ exitCode: 3, last: { differing: 2 } });
});

test('several sources are selected under their names, and one file by its own', async () => {
  const { source, server, environment } = await openScene((at) => {
    write(at, 'one/a.o');
    write(at, 'one/b');
    write(at, 'two.o');
  });
  const at = (name: string): string => path.join(source, name);
  const both = await cairn(
    ['push', '--json', '--exclude', '/one/a.o', at('one'), at('two.o'), `${server.url}/both`],
    environment,
  );
  expect(pathsIn(path.join(server.root, 'both')), both.stderr).toEqual(['one/', 'one/b', 'two.o']);
  const file = await cairn(
    ['push', '--json', '--exclude', '*.o', at('two.o'), `${server.url}/file/`],
    environment,
  );
  expect(file, file.stderr).toMatchObject({ exitCode: 0, last: { entries: 0, unselected: 1 } });
  expect(existsSync(path.join(server.root, 'file'))).toBe(false);
});

test.each(['pull', 'ls'])(
  'a %s refuses --include without a rule that leaves something out',
  async (command) => {
    const environment = { stateHome: temporaryDirectory() };
    const words = [
      command,
      '--include',
      '*.jpg',
      'http://127.0.0.1:1/x',
      ...(command === 'pull' ? ['out'] : []),
    ];
    const result = await cairn(words, environment);
    expect(result.exitCode, result.stderr).toBe(2);
    expect(result.stderr).toContain('--exclude "*" --include "*/" --include "*.jpg"');
  },
);

test.each([
  ['rules for a stream', ['--exclude', 'a', '-', 'URL'], 'a stream has no entries to select'],
  ['--exclude with !', ['--exclude', '!a', '.', 'URL'], '--exclude takes a pattern without "!"'],
  ['-0 alone', ['-0', '.', 'URL'], 'give that, too'],
  ['a list for several sources', ['--files-from', '-', 'a', 'b', 'URL'], 'there are several sources'],
])('a push refuses %s', async (_what, words, message) => {
  const stdin = [Buffer.from('listed')];
  const environment = { stateHome: temporaryDirectory(), cwd: temporaryDirectory(), stdin };
  const result = await cairn(
    ['push', ...words.map((word) => word.replace('URL', 'http://127.0.0.1:1/x'))],
    environment,
  );
  expect(result.exitCode, result.stderr).toBe(2);
  expect(result.stderr).toContain(message);
});
