import { describe, expect, test } from 'vitest';
import { parseBandwidth } from '../../../src/cli/options/bandwidth-rate.ts';

const at = (hours: number, minutes = 0): Date => new Date(2026, 0, 1, hours, minutes);
const MIB = 2 ** 20;

describe('--bwlimit', () => {
  test('--bwlimit takes one rate for all day', () => {
    const rate = parseBandwidth('--bwlimit', '10M');
    expect([rate(at(0)), rate(at(23, 59))]).toEqual([10 * MIB, 10 * MIB]);
    expect(parseBandwidth('--bwlimit', 'off')(at(12))).toBeUndefined();
  });

  test('--bwlimit takes rates by the time of day, over midnight, in any order', () => {
    for (const text of ['08:00,1M 19:00,off 22:30,5M', ' 19:00,off  22:30,5M 8:00,1M ']) {
      const rate = parseBandwidth('--bwlimit', text);
      const rates = [at(7, 59), at(8), at(18, 59), at(19), at(22, 29), at(22, 30), at(0)].map((when) =>
        rate(when),
      );
      expect(rates).toEqual([5 * MIB, MIB, MIB, undefined, undefined, 5 * MIB, 5 * MIB]);
    }
  });

  test.each([
    '',
    'fast',
    '10',
    '10X',
    '-1M',
    '8,1M',
    '24:00,1M',
    '08:60,1M',
    '08:00,1M 10M',
    '08:00,1M 08:00,2M',
    '08:00,',
  ])('--bwlimit refuses %j', (text) => {
    expect(() => parseBandwidth('--bwlimit', text)).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
