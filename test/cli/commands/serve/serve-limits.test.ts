import { describe, expect, it } from 'vitest';
import { limitsHelp, limitsOf } from '../../../../src/cli/commands/serve/serve-limits.ts';
import { DEFAULT_LIMITS } from '../../../../src/server/server-limits.ts';

describe('--limit', () => {
  it('--limit sets the limits that it names, each in its unit', () => {
    expect(
      limitsOf([
        'connections=10',
        'connections-per-address=3',
        'headers-time=500ms',
        'header-size=8K',
        'body-rate=0',
        'staging=2G',
        'free-disk=0',
        'connections=20',
      ]),
    ).toEqual({
      maxConnections: 20,
      maxConnectionsPerAddress: 3,
      headersMs: 500,
      maxHeaderBytes: 8192,
      minBodyRate: 0,
      maxStagingBytes: 2 * 1024 ** 3,
      keepFreeBytes: 0,
    });
    expect(limitsOf(['staging=unlimited'])).toEqual({ maxStagingBytes: DEFAULT_LIMITS.maxStagingBytes });
    expect(limitsOf(['manifest-entries=5', 'manifest-size=1M'])).toEqual({
      manifest: { maxEntries: 5, maxBytes: 1024 ** 2 },
    });
    expect(limitsOf([])).toEqual({});
  });

  it.each([
    ['nothing=1', 'there is no limit "nothing"'],
    ['connections', 'needs a value'],
    ['connections=', 'needs a value'],
    ['connections=0', 'from 1 to'],
    ['connections=-1', 'from 1 to'],
    ['connections=1e3', 'from 1 to'],
    ['connections=unlimited', 'from 1 to'],
    ['headers-time=1ms', 'takes 100ms to'],
    ['staging=many', 'takes a size'],
    ['__proto__=1', 'there is no limit "__proto__"'],
    ['\u001B[2J=1', 'there is no limit "\\x1b[2J"'],
  ])('--limit refuses %j', (word, message) => {
    expect(() => limitsOf([word])).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining(message) }),
    );
  });

  it('--limit lists every limit with its default', () => {
    const lines = limitsHelp().split('\n');
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}connections-per-address +256 /));
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}failed-authentications-time +60s /));
    expect(lines).toContainEqual(expect.stringMatching(/^ {2}staging +unlimited /));
    for (const line of lines.slice(2)) expect(line.length).toBeLessThan(120);
  });
});
