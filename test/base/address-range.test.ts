import { describe, expect, test } from 'vitest';
import { canonicalAddress, isInRanges, parseAddressRange } from '../../src/base/address-range.ts';

describe('address ranges', () => {
  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['fd00::/8', 'fd12::1', true],
    ['fd00::/8', '10.0.0.1', false],
    ['::1', '::1', true],
    ['::ffff:10.0.0.0/104', '10.1.2.3', true],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
  ])('the address range %s contains %s: %s', (range, address, isIn) => {
    expect(isInRanges(address, [parseAddressRange(range)!])).toBe(isIn);
  });

  test.each([
    '',
    'localhost',
    '10.0.0.0/33',
    '10.0.0/8',
    '010.0.0.1',
    '0x7f.1',
    '::1/129',
    '10.0.0.1/',
    '::ffff:10.0.0.0/8',
  ])('the text %j is no address range', (text) => expect(parseAddressRange(text)).toBeUndefined());
});

test.each([
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:DB8:0:0::1', '2001:db8::1'],
  ['fe80::1%eth0', 'fe80::1'],
  ['127.0.0.1', '127.0.0.1'],
  ['127.1', undefined],
  ['unknown', undefined],
])('the canonical form of %s is %s', (text, form) => expect(canonicalAddress(text)).toBe(form));
