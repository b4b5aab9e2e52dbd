import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cairn, type CliResult } from '../../../support/cli.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const GOOD = '[job.home]\nsource = "/home/u"\nto = "https://host/home"\n';

/** A directory of settings whose job file has this text. */
function configWith(text: string | Buffer, mode = 0o600): { readonly config: string; readonly file: string } {
  const config = temporaryDirectory();
  const file = path.join(config, 'cairn', 'jobs.toml');
  mkdirSync(path.dirname(file));
  writeFileSync(file, text);
  chmodSync(file, mode);
  return { config, file };
}

function job(words: readonly string[], config: string): Promise<CliResult> {
  return cairn(['job', ...words], { stateHome: temporaryDirectory(), env: { XDG_CONFIG_HOME: config } });
}

describe('cairn job check', () => {
  it('cairn job check ends with 0 and says how many jobs there are, if none has a mistake', async () => {
    const { config, file } = configWith(GOOD);
    const { exitCode, stdout, stderr } = await job(['check'], config);
    expect([exitCode, stdout.toString(), stderr]).toEqual([0, `${file}: 1 job, no mistake\n`, '']);
    const { last } = await job(['check', '--json'], config);
    expect(last).toEqual({ type: 'summary', jobs: 1, mistakes: 0, code: 'ok', exitCode: 0 });
  });

  it('cairn job check ends with 2 and prints a line for each mistake, safe for a terminal', async () => {
    const { config, file } = configWith(`${GOOD}"a\\u001b[2Jb" = 1\nchecksum = 1\n`);
    const { exitCode, stdout, stderr } = await job(['check'], config);
    expect(exitCode).toBe(2);
    const [first, second] = stdout.toString().split('\n');
    expect(first).toContain(`${file}:4:1: `);
    expect(second).toBe(`${file}:5:12: checksum takes true or false`);
    expect(stdout.toString()).not.toContain('\u001b');
    expect(stderr).toBe(`cairn: 2 mistakes in "${file}"\n`);
    const { lines, last } = await job(['check', '--json'], config);
    expect(lines[1]).toEqual({
      type: 'mistake',
      file,
      line: 5,
      column: 12,
      message: 'checksum takes true or false',
      job: 'home',
    });
    expect(last).toMatchObject({ mistakes: 2, code: 'config-invalid', exitCode: 2 });
  });

  it('cairn job check reads the file that --file names', async () => {
    const { file } = configWith(GOOD);
    const { exitCode } = await job(['check', '--file', file], temporaryDirectory());
    expect(exitCode).toBe(0);
  });

  it('cairn job check names the place of a token file that would be refused', async () => {
    const token = path.join(temporaryDirectory(), 'token');
    writeFileSync(token, 'secret-token-of-a-test\n');
    chmodSync(token, 0o644);
    const { config, file } = configWith(`${GOOD}token-file = "${token}"\n`);
    const { exitCode, stdout } = await job(['check'], config);
    expect(exitCode).toBe(2);
    expect(stdout.toString()).toContain(
      `${file}:4:14: the token file "${token}" is not used: other users may read it`,
    );
  });

  it('cairn job check ends with 4 if there is no job file', async () => {
    const { exitCode, stderr } = await job(['check'], temporaryDirectory());
    expect(exitCode).toBe(4);
    expect(stderr).toContain('jobs.toml"; write one, or name another with --file');
  });

  it.each([
    ['other users may write to', GOOD, 0o666, 'other users may write to it', 6],
    ['is no UTF-8', Buffer.from([0x61, 0xff]), 0o600, 'it is not UTF-8', 2],
    ['is very long', '#'.repeat(100_001), 0o600, 'it has more than 100000 bytes', 2],
  ] as const)('cairn job check refuses a job file that %s', async (_what, text, mode, why, code) => {
    const { config } = configWith(text, mode);
    const { exitCode, stderr } = await job(['check'], config);
    expect(exitCode).toBe(code);
    expect(stderr).toContain(why);
  });

  it('cairn job check refuses a job file that is no file, also behind a link', async () => {
    const { config, file } = configWith(GOOD);
    const link = path.join(config, 'link');
    symlinkSync('/dev/zero', link);
    expect((await job(['check', '--file', link], config)).exitCode).toBe(2);
    expect((await job(['check', '--file', path.dirname(file)], config)).exitCode).toBe(2);
  });
});

describe('cairn job list', () => {
  it('cairn job list shows what each job moves, and that others have mistakes', async () => {
    const { config } = configWith(
      `${GOOD}[job.db]\ncommand = ["pg_dump", "my db"]\nto = "https://host/db.sql"\n[job.bad]\nto = 5\n`,
    );
    const { exitCode, stdout, stderr } = await job(['list'], config);
    expect(exitCode).toBe(2);
    expect(stdout.toString()).toBe(
      [
        'NAME  WHAT  FROM             TO',
        'home  push  /home/u          https://host/home',
        "db    push  pg_dump 'my db'  https://host/db.sql",
        '',
      ].join('\n'),
    );
    expect(stderr).toContain(':8:6: to takes a text');
    const { lines, last } = await job(['list', '--json'], config);
    expect(lines[0]).toMatchObject({ type: 'job', job: 'home', from: ['/home/u'], to: 'https://host/home' });
    expect(last).toMatchObject({ type: 'summary', jobs: 2, code: 'config-invalid', exitCode: 2 });
  });
});
