/** Writes and reads dates of HTTP (RFC 9110, section 5.6.7), which has one form to write and three to read. */

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const IMF_FIXDATE = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}:\d{2}:\d{2}) GMT$/;
const RFC_850 = /^[A-Z][a-z]{5,8}, (\d{2})-([A-Z][a-z]{2})-(\d{2}) (\d{2}:\d{2}:\d{2}) GMT$/;
const ASCTIME = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([ \d]\d) (\d{2}:\d{2}:\d{2}) (\d{4})$/;
const LONGEST = 'Wednesday, 01-Jan-2000 00:00:00 GMT'.length;

/** A moment in seconds since 1970, as HTTP writes it. */
export function httpDate(seconds: number): string {
  return new Date(seconds * 1000).toUTCString();
}

/** The seconds since 1970 that a header names; undefined where it is missing, or no date and so to be ignored. */
export function secondsOfHttpDate(header: string | undefined): number | undefined {
  const text = header?.trim() ?? '';
  if (text === '' || text.length > LONGEST) return undefined;
  const [, day, month, year, time] = IMF_FIXDATE.exec(text) ?? [];
  if (time !== undefined) return secondsOf(Number(year), month!, Number(day), time);
  const [, oldDay, oldMonth, shortYear, oldTime] = RFC_850.exec(text) ?? [];
  if (oldTime !== undefined)
    return secondsOf(fullYear(Number(shortYear)), oldMonth!, Number(oldDay), oldTime);
  const [, cMonth, cDay, cTime, cYear] = ASCTIME.exec(text) ?? [];
  return cTime === undefined ? undefined : secondsOf(Number(cYear), cMonth!, Number(cDay), cTime);
}

/** Puts two digits that would be more than fifty years ahead into the century before. */
function fullYear(digits: number): number {
  const now = new Date().getUTCFullYear();
  const year = now - (now % 100) + digits;
  return year > now + 50 ? year - 100 : year;
}

function secondsOf(year: number, monthName: string, day: number, time: string): number | undefined {
  const month = MONTHS.indexOf(monthName);
  const [hour = 0, minute = 0, second = 0] = time.split(':').map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  // Second 60 is a leap second; Date would read a 31st of April as the first of May.
  const isReal = month >= 0 && date.getUTCMonth() === month && date.getUTCDate() === day;
  if (!isReal || hour > 23 || minute > 59 || second > 60) return undefined;
  return date.setUTCHours(hour, minute, second) / 1000;
}
