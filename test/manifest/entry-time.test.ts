import { describe, expect, it } from 'vitest';
import { checkEntry } from '../../src/manifest/entry.ts';
import { carriedTime, isKeptTime, TIME_RANGE_NS } from '../../src/manifest/entry-time.ts';

const at = (text: string): bigint => BigInt(Date.parse(text)) * 1_000_000n;

describe('carried times', () => {
  it.each([0n, -1n, 1n, at('1901-01-01T00:00:00Z'), TIME_RANGE_NS.min, TIME_RANGE_NS.max])(
    'the time %d is carried as it is',
    (time) => {
      expect(carriedTime(time)).toBe(time);
    },
  );

  it('a time that does not fit is carried as the nearest one that does, which the receiver accepts', () => {
    for (const text of ['2300-01-01T00:00:00Z', '+020000-01-01T00:00:00Z', '1600-01-01T00:00:00Z']) {
      const mtimeNs = carriedTime(at(text));
      expect([TIME_RANGE_NS.min, TIME_RANGE_NS.max]).toContain(mtimeNs);
      const entry = { type: 'file', path: 'x', sizeBytes: 0, mode: 0o644, linkTarget: '' } as const;
      expect(checkEntry({ ...entry, mtimeNs }).mtimeNs).toBe(mtimeNs);
    }
  });
});

describe('kept times', () => {
  it.each([
    ['exactly', at('2024-01-01T00:00:00Z'), 0n],
    ['before 1970 with nanoseconds', -1n, 0n],
    ['to a microsecond', 1_700_000_000_123_456_789n, 789n],
  ])('a time counts as kept when it is set %s', (_how, time, offNs) => {
    expect(isKeptTime(time, time - offNs, 1000n)).toBe(true);
  });

  it.each([
    ['32 bits end', '2300-01-01T00:00:00Z', '2038-01-19T03:14:07Z'],
    ['32 bits without a sign end', '2262-04-11T00:00:00Z', '2106-02-07T06:28:15Z'],
    ['FAT ends, in local time', '2262-04-11T00:00:00Z', '2108-01-01T11:59:58Z'],
    ['32 bits begin', '1800-01-01T00:00:00Z', '1901-12-13T20:45:52Z'],
    ['FAT begins', '1969-12-31T23:59:59Z', '1980-01-01T00:00:00Z'],
  ])(
    'a time counts as kept at the bound where %s, if the wanted one lies beyond',
    (_where, wanted, found) => {
      expect(isKeptTime(at(wanted), at(found), 1n)).toBe(true);
      expect(isKeptTime(at(found), at(wanted), 1n)).toBe(false);
    },
  );

  it('a time that differs anywhere else does not count as kept', () => {
    expect(isKeptTime(1000n, 0n, 1000n)).toBe(false);
    expect(isKeptTime(at('2300-01-01T00:00:00Z'), at('2024-01-01T00:00:00Z'), 1n)).toBe(false);
    expect(isKeptTime(at('2037-01-01T00:00:00Z'), at('2038-01-19T03:14:07Z'), 1n)).toBe(false);
    expect(isKeptTime(at('1800-01-01T00:00:00Z'), at('2038-01-19T03:14:07Z'), 1n)).toBe(false);
  });
});
