import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import { parseChoice, parseCount, parseDuration, parseSize } from '../../../src/cli/options/quantities.ts';
import { isLoopbackHost } from '../../../src/base/loopback.ts';
import { parseListenAddress } from '../../../src/cli/options/addresses.ts';
import { parseServerUrl } from '../../../src/cli/options/server-url.ts';
import { shellCommand, shellWord } from '../../../src/base/shell.ts';

function errorOf(work: () => unknown): CairnError {
  try {
    work();
  } catch (error) {
    if (error instanceof CairnError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['30', 30_000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['7d', 604_800_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['1d12h', 129_600_000],
    ['1m30.5s', 90_500],
    ['1s500ms', 1500],
    ['0', 0],
  ])('the duration %s is %i ms', (text, ms) => {
    expect(parseDuration('--retry-for', text)).toBe(ms);
  });

  it.each([
    '',
    'm',
    '5 m',
    '30m1h',
    '1h1h',
    '1h30',
    'h30m',
    '1h 30m',
    '-1s',
    '1e3',
    '5min',
    '0x10',
    '٣s',
    '25d',
    '99999999999d',
  ])('the duration "%s" is refused, with the name of the option', (text) => {
    const error = errorOf(() => parseDuration('--retry-for', text));
    expect(error.code).toBe('usage');
    expect(error.message).toContain('--retry-for');
    expect(error.message).toContain('for example');
  });

  it('a duration is refused outside of its range', () => {
    expect(errorOf(() => parseDuration('--session-lease', '999ms', { minMs: 1000 })).code).toBe('usage');
    expect(parseDuration('--session-lease', '30d', { maxMs: 31_536_000_000 })).toBe(2_592_000_000);
  });
});

describe('sizes', () => {
  const range = { min: 64 * 1024, max: 64 * 1024 ** 2 };
  it.each([
    ['65536', 65_536],
    ['64K', 65_536],
    ['64KiB', 65_536],
    ['8M', 8_388_608],
    ['8m', 8_388_608],
    ['8MiB', 8_388_608],
    ['64M', 67_108_864],
    ['1.5M', 1_572_864],
    ['10MB', 10_000_000],
    ['100kB', 100_000],
    ['0.5MiB', 524_288],
    ['65536B', 65_536],
  ])('the size %s is %i bytes', (text, bytes) => {
    expect(parseSize('--chunk-size', text, range)).toBe(bytes);
  });

  it.each(['', '8MX', '8 M', '1.5', '1.5B', 'M', '8MBB', '-8M', '63K', '65M', '1G', '65535', '1e6'])(
    'the size "%s" is refused',
    (text) => {
      const error = errorOf(() => parseSize('--chunk-size', text, range));
      expect(error.code).toBe('usage');
      expect(error.message).toContain('--chunk-size');
    },
  );

  it('a size that is out of range is refused with the range in units', () => {
    expect(errorOf(() => parseSize('--chunk-size', '1G', range)).message).toContain(
      'takes 64K to 64M, not "1G"',
    );
    const open = { min: 1024, max: Number.MAX_SAFE_INTEGER };
    expect(errorOf(() => parseSize('--bwlimit', '1', open)).message).toContain('takes at least 1K, not "1"');
  });
});

describe('counts and choices', () => {
  it('a count in its range and a known choice are taken', () => {
    expect(parseCount('--parallel', '64', { min: 1, max: 64 })).toBe(64);
    expect(parseChoice('--digest', 'sha256', ['xxh64', 'sha256'])).toBe('sha256');
  });

  it.each(['0', '65', '', 'four', '4.0', '1e1', '+4'])('the count and choice "%s" is refused', (text) => {
    expect(errorOf(() => parseCount('--parallel', text, { min: 1, max: 64 })).code).toBe('usage');
    expect(errorOf(() => parseChoice('--digest', text, ['xxh64', 'sha256'])).message).toContain('sha256');
  });
});

describe('addresses to listen on', () => {
  it.each([
    ['127.0.0.1:7070', '127.0.0.1', 7070],
    ['localhost:0', 'localhost', 0],
    ['[::1]:7070', '::1', 7070],
    [':8080', '127.0.0.1', 8080],
    ['8080', '127.0.0.1', 8080],
    ['0.0.0.0:65535', '0.0.0.0', 65_535],
  ])('the address %s to listen on is split into host and port', (text, host, port) => {
    expect(parseListenAddress('--listen', text)).toEqual({ host, port });
  });

  it.each([
    '',
    'localhost',
    '127.0.0.1:65536',
    '::1:7070',
    '[nonsense]:1',
    'a b:1',
    '127.0.0.1:',
    'http://h:1',
  ])('the address "%s" to listen on is refused', (text) => {
    expect(errorOf(() => parseListenAddress('--listen', text)).code).toBe('usage');
  });

  it('an address counts as loopback only if no other machine can reach it', () => {
    expect(
      ['localhost', 'LOCALHOST', '127.0.0.1', '127.9.9.9', '::1', '[::1]'].filter(isLoopbackHost),
    ).toHaveLength(6);
    expect(
      ['0.0.0.0', '::', '127.evil.example', '10.0.0.1', 'localhost.example', ''].some(isLoopbackHost),
    ).toBe(false);
  });
});

describe('URLs of servers', () => {
  it.each([
    'http://127.0.0.1:7070/',
    'http://127.0.0.1',
    'https://files.example/prefix/a%20b/',
    'http://[::1]:7070/x',
    'http://h/caf%C3%A9',
    'http://h/...',
  ])('the URL %s of a server is taken as it stands', (word) => {
    const url = parseServerUrl(word);
    expect(url.href.replace(/\/$/, '')).toBe(word.replace(/\/$/, ''));
  });

  it.each([
    ['ftp://h/x', 'usage'],
    ['/local/path', 'usage'],
    ['h:7070/x', 'usage'],
    ['http://', 'usage'],
    ['http:///x', 'usage'],
    ['http://h:99999/x', 'usage'],
    ['http://h/x?y', 'usage'],
    ['http://h/x#y', 'usage'],
    ['http://h/a b', 'usage'],
    ['http://h/a\tb', 'usage'],
    ['http://h/a\\b', 'usage'],
    ['http://h/../x', 'path-unsafe'],
    ['http://h/a/%2e%2E/x', 'path-unsafe'],
    ['http://h/./x', 'path-unsafe'],
    ['http://h/a%2fb', 'path-unsafe'],
    ['http://h/a//b', 'path-unsafe'],
    ['http://h/100%', 'path-unsafe'],
    ['http://h/%00', 'path-unsafe'],
    ['http://h/.cairn/x', 'path-reserved'],
  ])('the URL %s of a server is refused: %s', (word, code) => {
    expect(errorOf(() => parseServerUrl(word)).code).toBe(code);
  });

  it('a URL with a password is refused without showing that, and with the way to give a token', () => {
    const error = errorOf(() => parseServerUrl('http://user:geheim@h/x?y'));
    expect(error.code).toBe('usage');
    expect(error.message).toContain('--token-file');
    expect(error.message).not.toContain('geheim');
  });
});

describe('commands to copy', () => {
  it('a command to copy stays as it is if no shell would change it', () => {
    expect(shellCommand(['cairn', 'push', '/a/b', 'http://h:1/x%20y'])).toBe(
      'cairn push /a/b http://h:1/x%20y',
    );
  });

  it.each([
    '',
    'a b',
    "it's",
    '$HOME',
    'new\nline',
    '\u001b[31m',
    "tab\tand \\ and ' too",
    'é',
    '\u202e',
    '-n',
    '*',
  ])('a word of a command to copy comes back from bash as it was: %j', (word) => {
    const back = execFileSync('bash', ['-c', `printf '%s' ${shellWord(word)}`], { encoding: 'utf8' });
    expect(back).toBe(word);
    // oxlint-disable-next-line no-control-regex -- finding them is the purpose
    expect(shellWord(word)).not.toMatch(/[\u0000-\u001f\u202e]/);
  });
});
