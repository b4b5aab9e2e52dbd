/** Whom a server takes for its client, behind reverse proxies and without. */
import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { parseAddressRange } from '../../src/base/address-range.ts';
import { addressReader } from '../../src/server/http/client-address.ts';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, call, establishRequest, openScene } from './by-hand.ts';

const TRUSTED = ['10.0.0.0/8', 'fd00::/8'].map((text) => parseAddressRange(text)!);

function read(remoteAddress: string | undefined, headers: Record<string, string>): string {
  return addressReader(TRUSTED)({ socket: { remoteAddress }, headers } as unknown as IncomingMessage);
}

describe('client addresses', () => {
  test.each([
    ['one proxy', '10.0.0.1', '203.0.113.7', '203.0.113.7'],
    ['a chain of proxies', '10.0.0.1', '203.0.113.7, 10.0.0.9, 10.0.0.2', '203.0.113.7'],
    ['a client that invents hops', '10.0.0.1', '198.51.100.1, 127.0.0.1, 203.0.113.7', '203.0.113.7'],
    ['a client that says that it is a proxy', '10.0.0.1', '10.9.9.9, 203.0.113.7, 10.0.0.2', '203.0.113.7'],
    ['nobody but proxies', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['nonsense', '10.0.0.1', '203.0.113.7, nonsense', '10.0.0.1'],
    ['nonsense before a proxy', '10.0.0.1', '203.0.113.7, unknown, 10.0.0.2', '10.0.0.2'],
    ['an octal address', '10.0.0.1', '0313.0.0.1', '10.0.0.1'],
    ['an empty header', '10.0.0.1', '', '10.0.0.1'],
    ['a port', '10.0.0.1', '203.0.113.7:4711', '203.0.113.7'],
    ['IPv6 with a port', 'fd00::1', '[2001:DB8::7]:4711', '2001:db8::7'],
    ['IPv4 as IPv6', '::ffff:10.0.0.1', '::ffff:203.0.113.7', '203.0.113.7'],
    ['a sender that is not trusted', '198.51.100.9', '203.0.113.7', '198.51.100.9'],
    ['a sender whose address is gone', 'unknown', '203.0.113.7', 'unknown'],
  ])("the client's address is found behind X-Forwarded-For of %s", (_what, peer, header, address) => {
    expect(read(peer, { 'x-forwarded-for': header })).toBe(address);
  });

  test.each([
    ['for=203.0.113.7', '203.0.113.7'],
    ['for=198.51.100.1, For="203.0.113.7:80";proto=https;by=10.0.0.1, for=10.0.0.2', '203.0.113.7'],
    ['for="[2001:db8::7]:4711";host="a,b;for=198.51.100.1"', '2001:db8::7'],
    ['for=198.51.100.1;host="a, for=10.0.0.2', '10.0.0.1'],
    ['for=_hidden', '10.0.0.1'],
    ['for=unknown, for=10.0.0.2', '10.0.0.2'],
    ['proto=https', '10.0.0.1'],
    ['for=198.51.100.1;for=203.0.113.7', '10.0.0.1'],
    ['for=203.0.113.7, , for=10.0.0.2', '10.0.0.2'],
    [',;for=203.0.113.7,', '203.0.113.7'],
    [String.raw`for="203.0\.113.7"`, '203.0.113.7'],
    [String.raw`for=198.51.100.1, for="203.0.113.7\"`, '10.0.0.1'],
    ['for=', '10.0.0.1'],
    [`for=${'9'.repeat(1000)}`, '10.0.0.1'],
  ])("the client's address is found behind Forwarded: %s", (header, address) => {
    expect(read('10.0.0.1', { forwarded: header })).toBe(address);
  });

  // In quadratic time each of these would take minutes, and the test would be ended.
  test.each([
    ['quotes that are never closed', `"${'\\"'.repeat(500_000)}`],
    ['blanks', `for=${' '.repeat(1_000_000)}x`],
    ['quoted parts', `for=${'"a"'.repeat(300_000)}`],
    ['semicolons', ';'.repeat(1_000_000)],
    ['equals signs', 'for='.repeat(250_000)],
    ['backslashes', `for="${'\\'.repeat(1_000_000)}`],
    ['per cent signs', `for=${'%'.repeat(1_000_000)}\n`],
  ])('a forwarding header of a megabyte of %s takes no longer than its length', (_what, header) => {
    expect(read('10.0.0.1', { forwarded: header })).toBe('10.0.0.1');
    expect(read('10.0.0.1', { 'x-forwarded-for': header })).toBe('10.0.0.1');
  });

  test("the client's address is that of the proxy when the two headers disagree", () => {
    const spoofed = { 'forwarded': 'for=198.51.100.1', 'x-forwarded-for': '203.0.113.7' };
    expect(read('10.0.0.1', spoofed)).toBe('10.0.0.1');
    const agreed = { 'forwarded': 'for="203.0.113.7:1"', 'x-forwarded-for': '203.0.113.7' };
    expect(read('10.0.0.1', agreed)).toBe('203.0.113.7');
  });
});

test.each([
  ['no proxy is trusted', [], '127.0.0.1'],
  ['another proxy is trusted', [parseAddressRange('10.0.0.0/8')!], '127.0.0.1'],
  ['this machine is trusted', [parseAddressRange('127.0.0.0/8')!], '203.0.113.7'],
])('a session is recorded with the address of its client: %s', async (_why, trustedProxies, address) => {
  const scene = await openScene('memory', { trustedProxies });
  const transfer = transferOf(scene.stores.content, 'x', [directory(''), file('a', 'bytes')]);
  const answer = await call(scene, 'POST', '/.cairn/v1/sessions', {
    token: ALICE,
    headers: { 'x-forwarded-for': '198.51.100.1, 203.0.113.7' },
    body: JSON.stringify(establishRequest(transfer, 'push', '/x')),
  });
  expect(answer.status).toBe(201);
  const record = await scene.stores.sessions.get(answer.json.session);
  expect(record?.history?.[0]?.from).toBe(address);
});
