/** What starts a job: a service and a timer of systemd, or a line of crontab(5). */
import { printable } from '../../../base/safe-path.ts';
import { shellCommand, shellWord } from '../../../base/shell.ts';
import { calendarOf, cronFieldsOf, type Schedule } from './schedule.ts';

/** What is started, and when. */
export interface TimedJob {
  readonly name: string;
  readonly schedule: Schedule;
  /** The words of the command line, with absolute paths. */
  readonly command: readonly string[];
  /** Variables that say where this user's files are. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether the units are of the system, and not of a user. */
  readonly isOfSystem: boolean;
}

/** A file of systemd. */
export interface Unit {
  readonly file: string;
  readonly text: string;
}

/** The service and the timer. */
export function timerUnits(job: TimedJob): readonly [service: Unit, timer: Unit] {
  const unit = `cairn-job-${job.name}`;
  return [
    { file: `${unit}.service`, text: serviceText(job) },
    { file: `${unit}.timer`, text: timerText(job) },
  ];
}

function serviceText({ name, command, environment, isOfSystem }: TimedJob): string {
  const variables = Object.entries(environment).map(
    ([key, value]) => `Environment=${quoted(`${key}=${value}`)}`,
  );
  return lines(
    '[Unit]',
    `Description=cairn job ${name}`,
    ...(isOfSystem ? ['After=network-online.target', 'Wants=network-online.target'] : []),
    '',
    '[Service]',
    'Type=oneshot',
    `ExecStart=${command.map((word) => quoted(word).replaceAll('$', '$$$$')).join(' ')}`,
    ...variables,
    'Nice=10',
    'IOSchedulingClass=best-effort',
    'IOSchedulingPriority=7',
    '# The job alone gets the signal: it passes it on to its transfer, and then runs its hook.',
    'KillMode=mixed',
    'TimeoutStopSec=90s',
    '# A core file would hold credentials.',
    'LimitCORE=0',
    '',
    '# A hook that uses sudo or mount needs "no" here.',
    'NoNewPrivileges=yes',
    'LockPersonality=yes',
    'RestrictRealtime=yes',
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
    'SystemCallArchitectures=native',
    '# Neither UMask nor ProtectSystem: they would change what a pull writes.',
  );
}

function timerText({ name, schedule }: TimedJob): string {
  return lines(
    '[Unit]',
    `Description=Start the cairn job ${name}`,
    '',
    '[Timer]',
    `OnCalendar=${calendarOf(schedule)}`,
    '# A run that was missed is made up for.',
    'Persistent=true',
    'RandomizedDelaySec=10min',
    '',
    '[Install]',
    'WantedBy=timers.target',
  );
}

/** The line of crontab(5); mail comes only where something was left out or failed. */
export function cronLine({ schedule, command, environment }: TimedJob): string {
  const variables = Object.entries(environment).map(([key, value]) => `${key}=${shellWord(value)} `);
  const words = `${variables.join('')}${shellCommand([...command, '--quiet'])}`;
  // To cron "%" is the end of a line.
  return `${cronFieldsOf(schedule)}  ${words.replaceAll('%', String.raw`\%`)}\n`;
}

/** A word as systemd.syntax(7) has it; `%` would be a specifier. */
function quoted(word: string): string {
  const escaped = Array.from(word, (character) => {
    if (character === '"' || character === '\\') return `\\${character}`;
    return printable(character) === character ? character : bytesOf(character);
  });
  return `"${escaped.join('').replaceAll('%', '%%')}"`;
}

function bytesOf(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

function lines(...all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
