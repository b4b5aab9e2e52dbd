import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { jobScene, noteHook } from '../../support/job-scene.ts';

const PUSH = ['[job.home]', 'source = "SOURCE"', 'to = "URL/home"'];
const variables = (text: string | undefined): Record<string, string> =>
  Object.fromEntries((text ?? '').split('\n').map((line) => line.split('=', 2) as [string, string]));

describe('cairn job run', () => {
  it('cairn job run pushes what the job says, and records what ran and how much was new', async () => {
    const scene = await jobScene();
    scene.writeJobs(...PUSH, 'chmod = "go-rwx"', 'digest = "sha256"');
    const { exitCode, stderr, stdout } = await scene.job(['run', 'home']);
    expect([exitCode, stdout.toString()]).toEqual([0, '']);
    expect(stderr).toMatch(/^cairn: home: push to .*\ncairn: home: ok: pushed 4 entries /);
    expect(scene.published('home/d/b')).toBe('b');
    const [start, end] = scene.history('home');
    expect(start).toMatchObject({ type: 'start' });
    expect(end).toMatchObject({
      type: 'end',
      run: start!['run'],
      state: 'ok',
      exitCode: 0,
      code: 'ok',
      transfer: { direction: 'push', entries: 4, changed: 4, bytesMoved: 1001, bytesSkipped: 0, excluded: 0 },
      leftOut: [],
    });
    const again = await scene.job(['run', 'home', '--quiet']);
    expect([again.exitCode, again.stderr]).toEqual([0, '']);
    expect(scene.last('home')).toMatchObject({
      job: 'home',
      state: 'ok',
      transfer: { changed: 0, bytesMoved: 0, bytesSkipped: 1001 },
      lastSuccessAt: scene.history('home')[3]!['endedAt'],
    });
  });

  it('cairn job run prints lines of JSON that name their job, the last of them a summary', async () => {
    const scene = await jobScene();
    execFileSync('mkfifo', [path.join(scene.source, 'pipe')]);
    scene.writeJobs(...PUSH);
    const { exitCode, lines, last } = await scene.job(['run', '--json', 'home']);
    expect(exitCode).toBe(3);
    expect(lines[0]).toMatchObject({ type: 'started', job: 'home', direction: 'push' });
    expect(lines).toContainEqual(expect.objectContaining({ type: 'warning', job: 'home', path: 'pipe' }));
    expect(lines.at(-2)).toMatchObject({
      type: 'run',
      job: 'home',
      state: 'partial',
      transfer: { excluded: 1 },
    });
    expect(last).toEqual({ type: 'summary', jobs: 1, code: 'partial', exitCode: 3 });
  });

  it('cairn job run pulls if the job has a URL to pull from, and records what a mirror deletes', async () => {
    const scene = await jobScene();
    const target = path.join(scene.notes, 'copy');
    mkdirSync(target);
    writeFileSync(path.join(target, 'old'), 'old');
    utimesSync(target, 1, 1);
    const mirror = ['delete = true', 'max-delete = "100%"'];
    scene.writeJobs(...PUSH, '[job.back]', 'from = "URL/home"', `to = "${target}"`, ...mirror);
    const { exitCode, stderr } = await scene.job(['run', 'home', 'back']);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/\ncairn: back: ok: pulled 4 entries .*1 entry deleted/);
    expect(readFileSync(path.join(target, 'd', 'b'), 'utf8')).toBe('b');
    expect(scene.last('back')).toMatchObject({
      transfer: { deleted: { entries: 1, bytes: 3, undeleted: 0 } },
    });
    expect((await scene.job(['history', 'back'])).stdout.toString()).toMatch(
      /^STARTED .* SKIPPED +DELETED +LEFT OUT +WHY\n.* 4 +1001 B +0 B +1 +- +-\n$/,
    );
  });

  it('cairn job run --dry-run only says what it would do: no hook runs, and nothing is recorded', async () => {
    const scene = await jobScene();
    scene.writeJobs(...PUSH, `before = ${noteHook('before')}`);
    const { exitCode, stdout } = await scene.job(['run', 'home', '--dry-run']);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toMatch(/^new +file .* d\/b$/m);
    expect([scene.published('home/a'), scene.note('before')]).toEqual([undefined, undefined]);
    expect(scene.history('home')).toEqual([]);
  });

  it('cairn job run --all runs all jobs in the order of the file, and ends with the worst exit code', async () => {
    const scene = await jobScene();
    scene.writeJobs(
      '[job.b]\ncommand = ["false"]\nto = "URL/b"',
      '[job.2]\nsource = "SOURCE/nothing"\nto = "URL/c"',
      '[job.bad]\nsource = "SOURCE"\nto = "URL/bad"\nchecksum = 1',
      ...PUSH,
    );
    const { exitCode, lines, last } = await scene.job(['run', '--all', '--json']);
    expect(exitCode).toBe(11);
    const ends = lines.filter(({ type }) => type === 'run').map(({ job, exitCode: code }) => [job, code]);
    expect(ends).toEqual([
      ['b', 11],
      ['2', 4],
      ['home', 0],
    ]);
    expect(last).toMatchObject({ jobs: 4, exitCode: 11 });
    expect(scene.last('bad')).toMatchObject({ state: 'failed', code: 'config-invalid', exitCode: 2 });
  });

  it('cairn job run refuses a name that the file does not have before it runs another job', async () => {
    const scene = await jobScene();
    scene.writeJobs(...PUSH);
    const { exitCode, stderr } = await scene.job(['run', 'home', 'hone']);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('has no job "hone"; it has home');
    expect(scene.published('home/a')).toBeUndefined();
  });
});

describe('jobs that leave entries out', () => {
  it.each([
    [1, 0],
    [0, 3],
  ])(
    'a job that may leave out %i entries and leaves out one ends with %i, and its hooks know',
    async (limit, expected) => {
      const scene = await jobScene();
      execFileSync('mkfifo', [path.join(scene.source, 'pipe')]);
      scene.writeJobs(
        ...PUSH,
        `partial-is-ok-up-to = ${limit}`,
        `after = ${noteHook('after')}`,
        `on-failure = ${noteHook('failure')}`,
      );
      const { exitCode } = await scene.job(['run', 'home']);
      expect(exitCode).toBe(expected);
      expect(variables(scene.note('after'))).toMatchObject({
        CAIRN_JOB_NAME: 'home',
        CAIRN_JOB_STATE: 'partial',
        CAIRN_JOB_EXIT_CODE: String(expected),
        CAIRN_JOB_CODE: 'partial',
        CAIRN_JOB_LEFT_OUT: '1',
        CAIRN_JOB_ENTRIES: '4',
        CAIRN_JOB_BYTES_MOVED: '1001',
      });
      expect(scene.note('failure') === undefined).toBe(expected === 0);
      expect(scene.last('home')).toMatchObject({
        state: 'partial',
        exitCode: expected,
        leftOut: [{ path: 'pipe', code: 'source-unsupported' }],
      });
    },
  );
});

describe('hooks of a job', () => {
  it('a hook that fails before a job keeps it from running, and the hooks after it run all the same', async () => {
    const scene = await jobScene();
    scene.writeJobs(
      ...PUSH,
      'before = ["sh", "-c", "exit 7"]',
      `after = ${noteHook('after')}`,
      `on-failure = ${noteHook('failure')}`,
    );
    const { exitCode, stderr } = await scene.job(['run', 'home']);
    expect(exitCode).toBe(12);
    expect(stderr).toContain('the hook "before" of the job home, "sh", ended with exit code 7');
    expect(scene.published('home/a')).toBeUndefined();
    for (const name of ['after', 'failure'])
      expect(variables(scene.note(name))).toMatchObject({
        CAIRN_JOB_STATE: 'failed',
        CAIRN_JOB_EXIT_CODE: '12',
        CAIRN_JOB_CODE: 'job-hook-failed',
      });
    expect(scene.last('home')).toMatchObject({ state: 'failed', exitCode: 12, code: 'job-hook-failed' });
  });

  it('a hook that cannot be started after a transfer makes the job fail, and keeps its numbers', async () => {
    const scene = await jobScene();
    scene.writeJobs(...PUSH, 'after = ["/nowhere/hook"]');
    const { exitCode, stderr } = await scene.job(['run', 'home']);
    expect(exitCode).toBe(12);
    expect(stderr).toContain('could not be started (ENOENT)');
    expect(scene.last('home')).toMatchObject({ code: 'job-hook-failed', transfer: { entries: 4 } });
  });

  it('a hook gets neither a shell, nor the token, nor the standard output of the job', async () => {
    const scene = await jobScene();
    scene.writeJobs(...PUSH, 'before = ["echo", "$HOME; *"]', `after = ${noteHook('after')}`);
    const { stdout, stderr } = await scene.job(['run', 'home', '--json']);
    expect(stderr).toContain('$HOME; *');
    expect(stdout.toString()).not.toContain('$HOME');
    expect(scene.note('after')).not.toContain('CAIRN_TOKEN');
  });
});

describe('jobs', () => {
  it('a job does nothing if a file that it requires is missing, and reports that', async () => {
    const scene = await jobScene();
    scene.writeJobs(
      ...PUSH,
      'require = ["SOURCE", "NOTES/mounted"]',
      `before = ${noteHook('before')}`,
      `on-failure = ${noteHook('failure')}`,
    );
    const { exitCode, stderr } = await scene.job(['run', 'home']);
    expect(exitCode).toBe(4);
    expect(stderr).toContain('is missing, which the job home requires: nothing was done');
    expect([scene.published('home/a'), scene.note('before')]).toEqual([undefined, undefined]);
    expect(variables(scene.note('failure'))).toMatchObject({ CAIRN_JOB_CODE: 'source-missing' });
    writeFileSync(path.join(scene.notes, 'mounted'), '');
    expect((await scene.job(['run', 'home'])).exitCode).toBe(0);
  });

  it('a job whose producer fails late publishes nothing, and says which exit code that was', async () => {
    const scene = await jobScene();
    scene.writeJobs(
      '[job.dump]',
      'command = ["sh", "-c", "head -c 8000000 /dev/zero; exit 9"]',
      'as = "dump.sql"',
      'to = "URL/dumps/"',
    );
    const { exitCode } = await scene.job(['run', 'dump']);
    expect(exitCode).toBe(11);
    expect(scene.published('dumps/dump.sql')).toBeUndefined();
    expect(scene.last('dump')).toMatchObject({
      state: 'failed',
      code: 'source-command-failed',
      message: 'the command "sh" ended with exit code 9; nothing was published',
    });
  });

  it('a job shows other processes neither the token nor the URL of its monitor', async () => {
    const scene = await jobScene();
    scene.writeJobs(
      '[job.all]',
      'command = ["sh", "-c", "cat /proc/[0-9]*/cmdline > NOTES/processes; echo x"]',
      'to = "URL/x"',
      'ping.url = "http://127.0.0.1:9/secret-of-the-monitor"',
    );
    const { exitCode, stderr } = await scene.job(['run', 'all']);
    expect(exitCode).toBe(0);
    const processes = scene.note('processes');
    expect(processes).toContain('--from-command');
    expect(processes).not.toContain(scene.server.token);
    expect(processes).not.toContain('secret-of-the-monitor');
    expect(stderr).toContain('the monitor 127.0.0.1:9 was not told');
    expect(stderr).not.toContain('secret-of-the-monitor');
  });

  it('a job that runs already ends a second run at once with 8, which leaves no trace', async () => {
    const scene = await jobScene();
    const gate = path.join(scene.notes, 'gate');
    execFileSync('mkfifo', [gate]);
    scene.writeJobs(...PUSH, 'before = ["cat", "NOTES/gate"]');
    const first = scene.start(['run', 'home', '--json']);
    const started = (): boolean => scene.history('home').length > 0;
    while (!started()) await new Promise((resolve) => setTimeout(resolve, 20));
    const second = await scene.job(['run', 'home', '--json']);
    expect(second.exitCode).toBe(8);
    expect(second.last).toMatchObject({ type: 'summary', code: 'job-running', exitCode: 8 });
    expect(second.stderr).toContain(`the job home runs already (process ${first.child.pid})`);
    expect(scene.history('home')).toHaveLength(1);
    writeFileSync(gate, '');
    expect((await first.result).exitCode).toBe(0);
  });

  it('a job that is asked to end stops in order, runs the hook after it, and is resumed by the next run', async () => {
    const scene = await jobScene();
    writeFileSync(path.join(scene.source, 'large'), Buffer.alloc(4_000_000, 1));
    scene.writeJobs(...PUSH, 'bwlimit = "500K"', 'chunk-size = "64K"', `after = ${noteHook('after')}`);
    const run = scene.start(['run', 'home', '--json']);
    await new Promise<void>((resolve) =>
      run.child.stdout!.on('data', (bytes: Buffer) => {
        if (/"bytesDone":[1-9]/.test(bytes.toString())) resolve();
      }),
    );
    run.child.kill('SIGINT');
    const { exitCode } = await run.result;
    expect(exitCode).toBe(130);
    expect(variables(scene.note('after'))).toMatchObject({
      CAIRN_JOB_STATE: 'failed',
      CAIRN_JOB_EXIT_CODE: '130',
    });
    expect(scene.last('home')).toMatchObject({ state: 'interrupted', exitCode: 130, code: 'interrupted' });
    const next = await scene.job(['run', 'home', '--json'], { CAIRN_PUSH_BWLIMIT: '' });
    expect(next.exitCode).toBe(0);
    expect(scene.last('home')).toMatchObject({ state: 'ok', transfer: { resumes: 1 } });
  });

  it('a job that was killed is continued by the next run, which says so', async () => {
    const scene = await jobScene();
    writeFileSync(path.join(scene.source, 'large'), Buffer.alloc(4_000_000, 1));
    scene.writeJobs(...PUSH, 'bwlimit = "500K"', 'chunk-size = "64K"');
    const run = scene.start(['run', 'home', '--json']);
    await new Promise<void>((resolve) =>
      run.child.stdout!.on('data', (bytes: Buffer) => {
        if (/"bytesDone":[1-9]/.test(bytes.toString())) resolve();
      }),
    );
    run.child.kill('SIGKILL');
    await run.result;
    expect(scene.history('home')).toHaveLength(1);
    expect(scene.last('home')).toMatchObject({ state: 'running' });
    const { exitCode, stderr } = await scene.job(['run', 'home']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('the last run was killed; this one goes on where it stopped');
    const [first, killed, second, end] = scene.history('home');
    expect(killed).toMatchObject({ run: first!['run'], state: 'interrupted', exitCode: null, endedAt: null });
    expect(end).toMatchObject({ run: second!['run'], state: 'ok', transfer: { resumes: 1 } });
    expect(scene.published('home/large')).toHaveLength(4_000_000);
  });

  it('a job writes metrics for Prometheus into the directory that it or the run names', async () => {
    const scene = await jobScene();
    scene.writeJobs(...PUSH, 'textfile = "NOTES"');
    await scene.job(['run', 'home']);
    expect(scene.note('cairn_job_home.prom')).toContain('cairn_job_last_run_exit_code{job="home"} 0\n');
    expect(scene.note('cairn_job_home.prom')).toContain('cairn_job_last_run_moved_bytes{job="home"} 1001\n');
    expect(scene.note('cairn_job_home.prom')).toMatch(
      /_last_success_timestamp_seconds\{job="home"\} 1\d{9}\.\d+\n/,
    );
    rmSync(path.join(scene.notes, 'cairn_job_home.prom'));
    const { exitCode, stderr } = await scene.job(['run', 'home', '--textfile', '/nowhere']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('the metrics were not written');
  });
});
