/** `cairn job timer`: prints what starts a job, or writes it where systemd looks. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { EXIT, type ExitCode } from '../../../base/errors.ts';
import { makeDirectory, replaceFileDurably } from '../../../base/durable-files.ts';
import { shellCommand, shellWord } from '../../../base/shell.ts';
import { usage } from '../../options/usage.ts';
import { absolutePath, ownProgram } from '../../process/own-command.ts';
import { print } from '../../process/output.ts';
import type { TimerValues } from './job-command.ts';
import { jobOf, readJobFile, usualJobFile } from './job-file.ts';
import type { Job } from './job.ts';
import { cronLine, timerUnits, type TimedJob, type Unit } from './timer-units.ts';

const USUAL_SCHEDULE = { hour: 2, minute: 15, days: undefined } as const;
/** They say where the files of this user are. */
const VARIABLES = ['CAIRN_STATE_HOME', 'XDG_STATE_HOME', 'XDG_CONFIG_HOME'] as const;
/** Where each user has units of his own, root too. */
const USER_UNITS = '/systemd/user';
/** The manager of services reads them as another user may. */
const UNIT_MODE = 0o644;

/** `cairn job timer NAME`. */
export function jobTimerOf(program: Command): (name: string, values: TimerValues) => Promise<ExitCode> {
  return async (name, values) => {
    const { out, cron } = values;
    if (cron && out !== undefined)
      throw usage('--out writes units of systemd, and not a line for cron', '--cron');
    const path = values.file ?? usualJobFile(process.env);
    const job = jobOf(await readJobFile(path, program), name);
    warnOfToken(job);
    const timed: TimedJob = {
      name,
      schedule: values.at ?? USUAL_SCHEDULE,
      command: [...ownProgram(), 'job', 'run', name, '--file', absolutePath(path)],
      environment: environmentNow(),
      isOfSystem: process.geteuid?.() === 0 && out?.endsWith(USER_UNITS) !== true,
    };
    if (cron) print(cronLine(timed));
    else if (out === undefined) print(shownUnits(timed));
    else await writeUnits(timed, out);
    return EXIT.done;
  };
}

function environmentNow(): Record<string, string> {
  const given = VARIABLES.flatMap((name) => {
    const value = process.env[name];
    return value === undefined || value === '' ? [] : [[name, absolutePath(value)] as const];
  });
  return Object.fromEntries(given);
}

function warnOfToken({ name, tokenFile }: Job): void {
  if (tokenFile !== undefined || (process.env['CAIRN_TOKEN'] ?? '') === '') return;
  process.stderr.write(
    `cairn: CAIRN_TOKEN of this shell is not written down; give the job ${name} a token-file\n`,
  );
}

function shownUnits(timed: TimedJob): string {
  const units = timerUnits(timed);
  const folder = timed.isOfSystem ? '/etc/systemd/system' : '~/.config/systemd/user';
  const texts = units.map(({ file, text }) => `# ${folder}/${file}\n${text}\n`);
  return `${texts.join('')}# ${enableCommand(timed, units)}\n`;
}

async function writeUnits(timed: TimedJob, directory: string): Promise<void> {
  const units = timerUnits(timed);
  await makeDirectory(directory);
  for (const { file, text } of units) await replaceFileDurably(join(directory, file), text, UNIT_MODE);
  const written = units.map(({ file }) => `wrote ${shellWord(join(directory, file))}\n`).join('');
  print(`${written}to start it: ${enableCommand(timed, units)}\n`);
}

function enableCommand({ isOfSystem }: TimedJob, [, timer]: readonly [Unit, Unit]): string {
  const systemctl = isOfSystem ? ['systemctl'] : ['systemctl', '--user'];
  const reload = shellCommand([...systemctl, 'daemon-reload']);
  return `${reload} && ${shellCommand([...systemctl, 'enable', '--now', timer.file])}`;
}
