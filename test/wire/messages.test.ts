import type { GenericSchema } from 'valibot';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import {
  checkProtocolMajor,
  CheckpointReply,
  CommitReply,
  CommitRequest,
  DigestsRequest,
  Empty,
  EstablishRequest,
  HeartbeatReply,
  Hello,
  Plan,
  PlanAccepted,
  ResumeRequest,
  SessionTerms,
  SyncStatus,
} from '../../src/wire/messages.ts';
import { parseJsonMessage, parseMessage } from '../../src/wire/parse-message.ts';

const HEX = 'a'.repeat(64);
const VERSION = { major: 1, minor: 0 };

function codeOf(doing: () => unknown): string {
  try {
    doing();
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

interface Sample {
  readonly schema: GenericSchema;
  readonly good: Readonly<Record<string, unknown>>;
  /** Values of a field that must be refused. */
  readonly bad: Readonly<Record<string, readonly unknown[]>>;
}

const NO_COUNT = [-1, 0.5, 2 ** 53, '1', null, undefined, Number.NaN, Number.POSITIVE_INFINITY, true];
const NO_ENCODINGS = ['gzip', [1], [null], ['x'.repeat(33)], Array.from({ length: 17 }, () => 'x'), null];
const NO_POSITIVE = [0, ...NO_COUNT];
const NO_RUNS = [[-1], [0.5], ['1'], [2 ** 53], 'x', null, undefined, { 0: 1, length: 1 }, [[0, 1]]];
const NO_HEX = ['', 'a'.repeat(63), 'a'.repeat(65), 'A'.repeat(64), `${HEX}\n`, 'g'.repeat(64), 1];

const SAMPLES: Readonly<Record<string, Sample>> = {
  'hello': {
    schema: Hello,
    good: {
      server: 'cairn',
      version: '1.0.0',
      protocol: VERSION,
      login: { issuer: 'https://i', audience: 'a', clientId: 'c', scopes: ['s'] },
    },
    bad: {
      login: [
        null,
        {},
        { issuer: 'https://i' },
        { issuer: '', audience: 'a' },
        { issuer: 'x'.repeat(3000), audience: 'a' },
        { issuer: 'https://i', audience: 'a', scopes: 's' },
        { issuer: 'https://i', audience: 'a', scopes: Array.from({ length: 65 }, () => 's') },
      ],
      server: ['nginx', undefined],
      version: [1],
      protocol: [null, { major: 1 }, { major: -1, minor: 0 }],
    },
  },
  'establish': {
    schema: EstablishRequest,
    good: {
      protocol: VERSION,
      direction: 'push',
      target: '/a%20b',
      digests: ['xxh64', 'blake9'],
      chunkSizeBytes: 1,
      parallel: 4,
      manifestId: HEX,
      sync: 'close',
      encodings: ['zstd', 'gzip', 'unheard-of'],
    },
    bad: {
      direction: ['both', 'PUSH', undefined],
      target: ['', 'a', 'http://x/', `/${'x'.repeat(16_384)}`, undefined],
      digests: [[], 'xxh64', [1], Array.from({ length: 17 }, () => 'x')],
      chunkSizeBytes: NO_POSITIVE,
      parallel: NO_POSITIVE,
      manifestId: [...NO_HEX, null],
      sync: ['never', 'Always', '', null, 1],
      encodings: NO_ENCODINGS,
    },
  },
  'resume': {
    schema: ResumeRequest,
    good: { sync: 'always', encodings: [] },
    bad: { sync: ['never', 'Always', '', null, 1], encodings: NO_ENCODINGS },
  },
  'grant': {
    schema: SessionTerms,
    good: {
      session: 's'.repeat(22),
      credential: 'c'.repeat(43),
      epoch: 1,
      state: 'open',
      direction: 'pull',
      digest: 'sha256',
      chunkSizeBytes: 65_536,
      parallel: 256,
      leaseMs: 1000,
      holdsPartialChunks: true,
      sync: 'group',
      encodings: ['gzip'],
      manifestId: null,
      resumed: false,
    },
    bad: {
      session: [
        '',
        's'.repeat(21),
        's'.repeat(23),
        `${'s'.repeat(21)}/`,
        '../../../../etc/passwd',
        `${'s'.repeat(22)}\n`,
      ],
      credential: ['', 'c'.repeat(42), 'c'.repeat(44), `${'c'.repeat(42)}\n`],
      epoch: NO_POSITIVE,
      state: ['suspended', 'aborted', 'expired', 'toString'],
      direction: ['sideways'],
      digest: ['md5', '__proto__'],
      chunkSizeBytes: [65_535, 67_108_865, 65_536.5, '65536'],
      parallel: [0, 257, 1.5],
      leaseMs: NO_POSITIVE,
      sync: ['never', null],
      encodings: NO_ENCODINGS,
      commitAwaitsChunks: ['yes', 1],
      manifestId: [...NO_HEX, undefined],
      resumed: ['yes', 0, undefined],
    },
  },
  'plan': {
    schema: Plan,
    good: { have: [0, 3], attributes: [] },
    bad: { have: NO_RUNS, attributes: NO_RUNS },
  },
  'plan answer': {
    schema: PlanAccepted,
    good: { chunkCount: 3, bytesTotal: null },
    bad: { chunkCount: NO_COUNT.filter((value) => value !== null), bytesTotal: [-1, '1', undefined] },
  },
  'checkpoint': {
    schema: CheckpointReply,
    good: { plan: null, chunks: { runs: [0, 2], digests: 'AAAA' }, held: [[7, 100]] },
    bad: {
      plan: [undefined, {}, { have: [] }],
      chunks: [undefined, {}, { runs: [], digests: 1 }, { runs: [-1], digests: '' }],
      held: [[[1]], [[-1, 5]], [[1, 0]], [[2 ** 24, 5]], [['1', 5]], [{ 0: 1, 1: 2 }], undefined],
    },
  },
  'sync status': {
    schema: SyncStatus,
    good: { syncPoint: 0, durableSyncPoint: 0 },
    bad: { syncPoint: NO_COUNT, durableSyncPoint: NO_COUNT },
  },
  'commit': {
    schema: CommitRequest,
    good: { digest: HEX, bytesTotal: 0, excluded: [] },
    bad: { digest: [...NO_HEX, undefined], bytesTotal: NO_COUNT, excluded: NO_RUNS, awaitChunks: [1, null] },
  },
  'commit answer': {
    schema: CommitReply,
    good: { state: 'committing', entriesDone: 0, entriesTotal: 5, digest: HEX },
    bad: { state: ['open', undefined], entriesDone: NO_COUNT, entriesTotal: NO_COUNT, digest: NO_HEX },
  },
  'heartbeat answer': { schema: HeartbeatReply, good: { leaseMs: 1 }, bad: { leaseMs: NO_POSITIVE } },
  'digests': { schema: DigestsRequest, good: { entries: [1, 2, 5, 1] }, bad: { entries: NO_RUNS } },
  'empty': { schema: Empty, good: {}, bad: {} },
};

describe.each(Object.entries(SAMPLES))('the message "%s"', (_name, { schema, good, bad }) => {
  it('a message is read as it is', () => {
    expect(parseMessage(schema, good, 'it')).toEqual(good);
    expect(parseJsonMessage(schema, JSON.stringify(good), 'it')).toEqual(good);
  });

  it('a message loses unknown and hostile members when it is read', () => {
    const text = `{"__proto__":{"polluted":true},"constructor":1,"newer":{"a":1},${JSON.stringify(good).slice(1)}`;
    const parsed = parseJsonMessage(schema, text.replace(',}', '}'), 'it');
    expect(parsed).toEqual(good);
    expect(Object.keys(parsed as object)).toEqual(Object.keys(good));
    expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype);
  });

  it.each(Object.entries(bad).flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    'a message is refused with %s: %j',
    (field, value) => {
      expect(codeOf(() => parseMessage(schema, { ...good, [field]: value }, 'it'))).toBe('invalid-request');
    },
  );

  it.each([null, 1, 'text', [], true, undefined])('the value %j is refused as a message', (value) => {
    // An array is an object without our fields.
    if (Array.isArray(value) && codeOf(() => parseMessage(schema, {}, 'it')) === 'accepted') return;
    expect(codeOf(() => parseMessage(schema, value, 'it'))).toBe('invalid-request');
  });
});

describe('reading messages', () => {
  it('a message that is no JSON is refused', () => {
    for (const text of ['', '{', "{'a':1}", 'undefined', '{}{}', '\ufeff{}']) {
      expect(codeOf(() => parseJsonMessage(Empty, text, 'it'))).toBe('invalid-request');
    }
  });

  it('an error about a message names the wrong field, and repeats no long or dangerous value', () => {
    const hostile = { server: `\u001b[2J${'x'.repeat(100_000)}`, version: '', protocol: VERSION };
    try {
      parseMessage(Hello, hostile, 'the greeting');
      expect.unreachable();
    } catch (error) {
      const { message } = error as CairnError;
      expect(message).toContain('the greeting is not valid at server');
      expect(message.length).toBeLessThan(500);
      expect(message).not.toContain('\u001b');
    }
  });

  it('a message may leave out its optional members', () => {
    const { manifestId: _manifestId, sync: _sync, encodings: _offered, ...rest } = SAMPLES['establish']!.good;
    expect(parseMessage(EstablishRequest, rest, 'it')).toEqual(rest);
    const { sync: _mode, encodings: _agreed, ...grant } = SAMPLES['grant']!.good;
    expect(parseMessage(SessionTerms, grant, 'it')).toEqual(grant);
    expect(parseMessage(ResumeRequest, {}, 'it')).toEqual({});
  });
});

describe('protocol versions', () => {
  it('a protocol version is accepted if its major number is the same', () => {
    expect(codeOf(() => checkProtocolMajor(1, 1))).toBe('accepted');
    expect(codeOf(() => checkProtocolMajor(2, 1))).toBe('version-unsupported');
    expect(codeOf(() => checkProtocolMajor(0, 1))).toBe('version-unsupported');
  });
});
