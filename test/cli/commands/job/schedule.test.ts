import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { calendarOf, cronFieldsOf, parseSchedule } from '../../../../src/cli/commands/job/schedule.ts';

describe('the time of a timer', () => {
  it.each([
    ['02:15', '*-*-* 02:15:00', '15 2 * * *'],
    ['4:30', '*-*-* 04:30:00', '30 4 * * *'],
    ['Mon..Fri 22:00', 'Mon,Tue,Wed,Thu,Fri *-*-* 22:00:00', '0 22 * * 1,2,3,4,5'],
    ['sun,Sat,sun 4:05', 'Sat,Sun *-*-* 04:05:00', '5 4 * * 6,7'],
    ['hourly', '*-*-* *:00:00', '0 * * * *'],
    ['hourly:20', '*-*-* *:20:00', '20 * * * *'],
  ])('the time %s of a timer is %s to systemd and %s to cron', (text, calendar, cron) => {
    const schedule = parseSchedule('--at', text);
    expect([calendarOf(schedule), cronFieldsOf(schedule)]).toEqual([calendar, cron]);
  });

  it.each([
    '',
    '25:00',
    '2:60',
    'Foo 2:00',
    'Fri..Mon 2:00',
    'Mon..Tue..Wed 2:00',
    '02:15\nExecStart=/x',
    'daily',
  ])('the time "%s" of a timer is refused with an example', (text) => {
    expect(() => parseSchedule('--at', text)).toThrow(/--at takes a time, not .*for example: --at 02:15/);
  });

  it('any time of a timer is refused, or becomes a calendar that systemd understands', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'0123456789:. ,MonTueFri\nhourly'.split('')) }),
        (text) => {
          let calendar: string;
          try {
            calendar = calendarOf(parseSchedule('--at', text));
          } catch {
            return;
          }
          expect(calendar).toMatch(/^(?:[A-Z][a-z]{2}(?:,[A-Z][a-z]{2})* )?\*-\*-\* (?:\d\d|\*):\d\d:00$/);
        },
      ),
    );
  });
});
