import { describe, expect, it } from 'vitest';
import { allowsRange, failedCondition, versionHeaders } from '../../src/server/http/conditions.ts';
import { httpDate, secondsOfHttpDate } from '../../src/server/http/http-date.ts';

const SECONDS = Date.UTC(1994, 10, 6, 8, 49, 37) / 1000;
const version = { etag: '"v1"', modifiedSeconds: SECONDS };
const at = (offset: number): string => httpDate(SECONDS + offset);

describe('conditions', () => {
  it.each([
    [{}, undefined],
    [{ 'if-match': '"v1"' }, undefined],
    [{ 'if-match': '"v0", "v1"' }, undefined],
    [{ 'if-match': '*' }, undefined],
    [{ 'if-match': '"v0"' }, 412],
    [{ 'if-match': 'W/"v1"' }, 412],
    [{ 'if-match': 'v1' }, 412],
    [{ 'if-match': '"v0,"v1,"' }, 412],
    [{ 'if-unmodified-since': at(0) }, undefined],
    [{ 'if-unmodified-since': at(1) }, undefined],
    [{ 'if-unmodified-since': at(-1) }, 412],
    [{ 'if-unmodified-since': 'yesterday' }, undefined],
    [{ 'if-match': '"v1"', 'if-unmodified-since': at(-1) }, undefined],
    [{ 'if-none-match': '"v1"' }, 304],
    [{ 'if-none-match': 'W/"v1"' }, 304],
    [{ 'if-none-match': '"a,b" , "v1"' }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"v0"' }, undefined],
    [{ 'if-modified-since': at(0) }, 304],
    [{ 'if-modified-since': at(1) }, 304],
    [{ 'if-modified-since': at(-1) }, undefined],
    [{ 'if-modified-since': 'Sun, 31 Nov 1994 08:49:37 GMT' }, undefined],
    [{ 'if-none-match': '"v0"', 'if-modified-since': at(0) }, undefined],
    [{ 'if-match': '"v0"', 'if-none-match': '"v1"' }, 412],
    [{ 'if-match': '"v1"', 'if-none-match': '"v1"' }, 304],
    [{ 'if-unmodified-since': at(-1), 'if-modified-since': at(0) }, 412],
  ])('a request with the conditions %j comes to %s', (headers, outcome) => {
    expect(failedCondition(headers, version)).toBe(outcome);
  });

  it.each([
    [undefined, true],
    ['"v1"', true],
    ['W/"v1"', false],
    ['"v0"', false],
    [at(0), true],
    ['Sunday, 06-Nov-94 08:49:37 GMT', true],
    [at(1), false],
    [at(-1), false],
    ['whenever', false],
  ])('a range is served with If-Range: %s, or not: %s', (value, allowed) => {
    const headers = value === undefined ? {} : { 'if-range': value };
    expect(allowsRange(headers, version, (SECONDS + 2) * 1000)).toBe(allowed);
  });

  it('an If-Range with a date of the last two seconds does not let a range be served', () => {
    const headers = { 'if-range': at(0) };
    for (const later of [0, 999, 1999])
      expect(allowsRange(headers, version, SECONDS * 1000 + later)).toBe(false);
    expect(allowsRange({ 'if-range': '"v1"' }, version, SECONDS * 1000)).toBe(true);
  });

  it('a Last-Modified of a version names its second, also before 1970', () => {
    for (const modifiedSeconds of [-2_147_483_648, -1, 0, 13_569_465_600]) {
      const { 'Last-Modified': lastModified } = versionHeaders({ etag: '"x"', modifiedSeconds });
      expect(secondsOfHttpDate(lastModified)).toBe(modifiedSeconds);
    }
  });
});

describe('dates of HTTP', () => {
  it.each(['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994'])(
    'the date "%s" of HTTP is read',
    (text) => {
      expect(secondsOfHttpDate(text)).toBe(SECONDS);
    },
  );

  it.each([
    undefined,
    '',
    '0',
    '784111777',
    '1994-11-06T08:49:37Z',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 CET',
    'Sun, 06 Nov 1994 24:49:37 GMT',
    'Sun, 31 Apr 1994 08:49:37 GMT',
    'Sun, 06 Foo 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT',
    `Sun, ${'0'.repeat(10_000)}`,
  ])('a date of HTTP that is none is ignored: %s', (text) => {
    expect(secondsOfHttpDate(text)).toBeUndefined();
  });
});
