/** When a job runs, as a user writes it, systemd.time(7) and crontab(5). */
import { usage } from '../../options/usage.ts';

/** A time of the day on some days of the week, or every hour. */
export interface Schedule {
  /** Undefined: every hour. */
  readonly hour: number | undefined;
  readonly minute: number;
  /** 1 is Monday; undefined: every day. */
  readonly days: readonly number[] | undefined;
}

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'] as const;
const AT = /^(?:(\S+)\s+)?([01]?\d|2[0-3]):([0-5]\d)$/;
const HOURLY = /^hourly(?::([0-5]\d))?$/;

/** Parses `02:15`, `Mon..Fri 22:00`, `Sat,Sun 4:30`, `hourly` and `hourly:20`. @throws CairnError `usage` naming `option` */
export function parseSchedule(option: string, text: string): Schedule {
  const [, everyMinute] = HOURLY.exec(text) ?? [];
  if (HOURLY.test(text)) return { hour: undefined, minute: Number(everyMinute ?? 0), days: undefined };
  const [, days, hour, minute] = AT.exec(text.trim()) ?? [];
  const numbers = days === undefined ? undefined : daysOf(days);
  if (hour === undefined || (days !== undefined && numbers === undefined))
    throw usage(
      `${option} takes a time, not "${text}"`,
      `${option} 02:15 (or "Mon..Fri 22:00", "Sat,Sun 4:30", hourly)`,
    );
  return { hour: Number(hour), minute: Number(minute), days: numbers };
}

function daysOf(text: string): readonly number[] | undefined {
  const numbers = text.split(',').flatMap((part) => {
    const [first = '', last = first, ...more] = part.split('..');
    const [from, to] = [dayOf(first), dayOf(last)];
    return more.length > 0 || from === 0 || to < from
      ? [0]
      : Array.from({ length: to - from + 1 }, (_none, index) => from + index);
  });
  return numbers.includes(0) ? undefined : [...new Set(numbers)].toSorted((a, b) => a - b);
}

/** 1 to 7; 0 for what is no day. */
function dayOf(word: string): number {
  return DAYS.findIndex((day) => day.toLowerCase() === word.toLowerCase()) + 1;
}

/** As `OnCalendar=` of systemd takes it. */
export function calendarOf({ hour, minute, days }: Schedule): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const names = days === undefined ? '' : `${days.map((day) => DAYS[day - 1]).join(',')} `;
  return `${names}*-*-* ${hour === undefined ? '*' : two(hour)}:${two(minute)}:00`;
}

/** As the first five fields of a line of crontab(5). */
export function cronFieldsOf({ hour, minute, days }: Schedule): string {
  return `${minute} ${hour ?? '*'} * * ${days === undefined ? '*' : days.join(',')}`;
}
