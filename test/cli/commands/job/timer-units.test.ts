import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSchedule } from '../../../../src/cli/commands/job/schedule.ts';
import { cronLine, timerUnits, type TimedJob } from '../../../../src/cli/commands/job/timer-units.ts';
import { cairn } from '../../../support/cli.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const timed = (changes: Partial<TimedJob> = {}): TimedJob => ({
  name: 'home',
  schedule: parseSchedule('--at', '02:15'),
  command: ['/usr/bin/cairn', 'job', 'run', 'home', '--file', '/home/u/my jobs.toml'],
  environment: {},
  isOfSystem: false,
  ...changes,
});
const SYSTEMD = '/usr/bin/systemd-analyze';

describe('units of a job', () => {
  it('the units of a job start it at its time, make up for a missed run, and stop it in order', () => {
    const [service, timer] = timerUnits(timed());
    expect([service.file, timer.file]).toEqual(['cairn-job-home.service', 'cairn-job-home.timer']);
    expect(service.text).toContain(
      'ExecStart="/usr/bin/cairn" "job" "run" "home" "--file" "/home/u/my jobs.toml"\n',
    );
    expect(service.text).toContain('\nKillMode=mixed\n');
    expect(timer.text).toContain('\nOnCalendar=*-*-* 02:15:00\n');
    expect(timer.text).toContain('\nPersistent=true\n');
    expect(timer.text).toContain('\nRandomizedDelaySec=10min\n');
  });

  it('the units of a job have each word of a command as it is, whatever it means to systemd', () => {
    const [service] = timerUnits(
      timed({ command: ['/a%h', '$HOME', 'a"b\\c', 'x\ny'], environment: { CAIRN_STATE_HOME: '/s t/%h' } }),
    );
    expect(service.text).toContain(String.raw`ExecStart="/a%%h" "$$HOME" "a\"b\\c" "x\x0ay"` + '\n');
    expect(service.text).toContain('Environment="CAIRN_STATE_HOME=/s t/%%h"\n');
  });

  it.skipIf(!existsSync(SYSTEMD))('the units of a job are understood by systemd', () => {
    const directory = temporaryDirectory();
    const command = [process.execPath, 'a b', '50%', '$HOME', 'x"y'];
    const units = timerUnits(timed({ command, schedule: parseSchedule('--at', 'Mon..Fri 4:30') }));
    const files = units.map(({ file, text }) => {
      writeFileSync(path.join(directory, file), text);
      return path.join(directory, file);
    });
    const said = execFileSync(SYSTEMD, ['verify', ...files], { encoding: 'utf8', stdio: 'pipe' });
    expect(said).toBe('');
  });
});

describe('lines for cron', () => {
  it('the line for cron is quoted for a shell, and for the percent sign of cron', () => {
    const line = cronLine(timed({ command: ['/a b', '50%'], environment: { CAIRN_STATE_HOME: '/s t' } }));
    expect(line).toBe(String.raw`15 2 * * *  CAIRN_STATE_HOME='/s t' '/a b' 50\% --quiet` + '\n');
  });
});

describe('cairn job timer', () => {
  function configOf(lines: string): {
    config: string;
    run: (...words: string[]) => ReturnType<typeof cairn>;
  } {
    const config = temporaryDirectory();
    mkdirSync(path.join(config, 'cairn'));
    writeFileSync(path.join(config, 'cairn', 'jobs.toml'), lines, { mode: 0o600 });
    const environment = { stateHome: '/tmp/state home', token: 'secret', env: { XDG_CONFIG_HOME: config } };
    return { config, run: (...words) => cairn(['job', 'timer', ...words], environment) };
  }
  const GOOD = '[job.home]\nsource = "/a"\nto = "https://h/"\n';

  it('cairn job timer writes both units without a secret, and says how to start the timer', async () => {
    const { config, run } = configOf(GOOD);
    const out = path.join(config, 'units');
    const { exitCode, stdout, stderr } = await run('home', '--at', '4:30', '--out', out);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toMatch(/to start it: systemctl .*enable --now cairn-job-home\.timer\n$/);
    const service = readFileSync(path.join(out, 'cairn-job-home.service'), 'utf8');
    expect(service).toContain(`"job" "run" "home" "--file" "${config}/cairn/jobs.toml"`);
    expect(service).toContain('Environment="CAIRN_STATE_HOME=/tmp/state home"');
    expect(service).not.toContain('secret');
    expect(stderr).toContain('give the job home a token-file');
  });

  it('cairn job timer prints the units, or a line for cron', async () => {
    const { run } = configOf(GOOD);
    expect((await run('home')).stdout.toString()).toContain('OnCalendar=*-*-* 02:15:00');
    expect((await run('home', '--cron', '--at', 'hourly')).stdout.toString()).toMatch(/^0 \* \* \* \* {2}/);
  });

  it('cairn job timer refuses a job that is not in the file, or cannot run', async () => {
    const { run } = configOf(`${GOOD}[job.bad]\nto = 5\n`);
    expect((await run('hone')).exitCode).toBe(4);
    expect((await run('bad')).exitCode).toBe(2);
    expect((await run('home', '--at', 'noon')).exitCode).toBe(2);
  });
});
