import { describe, expect, test } from 'vitest';
import { createCompression, type Compression } from '../../src/client/transfer/compression.ts';
import type { ChunkEncoding } from '../../src/session/encoding.ts';

const CHUNK = 2 ** 20;
const BOTH = ['zstd', 'gzip'] as const;

interface Line {
  readonly compression: Compression;
  /** Lets chunks cross for a while; answers after how long compression was first wanted, and how much of the time. */
  run(options: { bytesPerMs: number; forMs: number; workers?: number; ratio?: number }): {
    firstMs: number | undefined;
    share: number;
  };
  idle(ms: number): void;
}

/** A line on a clock of its own, which all chunks that are on it share. */
function openLine(
  mode: 'auto' | 'always' | 'never' = 'auto',
  encodings: readonly ChunkEncoding[] = ['gzip'],
): Line {
  const clock = { ms: 1000 };
  const compression = createCompression({ mode, encodings, now: () => clock.ms });
  const wants = (): boolean => compression.encodingFor(BOTH) !== undefined;
  return {
    compression,
    idle: (ms) => void (clock.ms += ms),
    run: ({ bytesPerMs, forMs, workers = 4, ratio = 0.25 }) => {
      const begin = (): { left: number; wire: number; crossing: ReturnType<Compression['started']> } => {
        const wire = wants() ? CHUNK * ratio : CHUNK;
        return { left: wire, wire, crossing: compression.started(CHUNK) };
      };
      const startMs = clock.ms;
      let firstMs: number | undefined;
      let wanted = 0;
      const chunks = Array.from({ length: workers }, begin);
      for (; clock.ms < startMs + forMs; clock.ms += 1) {
        for (const [index, chunk] of chunks.entries()) {
          chunk.left -= bytesPerMs / workers;
          if (chunk.left > 0) continue;
          chunk.crossing.over(chunk.wire);
          chunks[index] = begin();
        }
        if (!wants()) continue;
        firstMs ??= clock.ms - startMs;
        wanted += 1;
      }
      for (const { crossing } of chunks) crossing.over(0);
      return { firstMs, share: wanted / forMs };
    },
  };
}

describe('automatic compression', () => {
  test.each([100, 1000, 2500, 7000])(
    'automatic compression begins with the first answers on a line of %i bytes a millisecond',
    (bytesPerMs) => {
      const { firstMs } = openLine().run({ bytesPerMs, forMs: 60_000 });
      const oneRoundMs = (4 * CHUNK) / bytesPerMs;
      expect(firstMs).toBeLessThan(1.1 * oneRoundMs + 300);
    },
  );

  test.each([17_000, 50_000, 500_000])(
    'automatic compression never begins on a line of %i bytes a millisecond',
    (bytesPerMs) => {
      for (const workers of [1, 4, 24])
        expect(openLine().run({ bytesPerMs, forMs: 30_000, workers }).share).toBe(0);
    },
  );

  test('automatic compression stays on while a slow line carries chunks that shrink, however little', () => {
    for (const ratio of [0.01, 0.25, 0.9]) {
      const line = openLine();
      line.run({ bytesPerMs: 3000, forMs: 10_000, ratio });
      expect(line.run({ bytesPerMs: 3000, forMs: 60_000, ratio }).share).toBe(1);
    }
  });

  test('automatic compression ends when the line becomes fast, and begins again when it becomes slow', () => {
    const line = openLine();
    expect(line.run({ bytesPerMs: 2000, forMs: 10_000 }).share).toBeGreaterThan(0.5);
    expect(line.run({ bytesPerMs: 60_000, forMs: 10_000 }).share).toBeLessThan(0.5);
    expect(line.run({ bytesPerMs: 60_000, forMs: 5000 }).share).toBe(0);
    expect(line.run({ bytesPerMs: 2000, forMs: 20_000 }).share).toBeGreaterThan(0.5);
  });

  test('automatic compression stays as it is where a line is neither slow nor fast', () => {
    const line = openLine();
    line.run({ bytesPerMs: 5000, forMs: 10_000 });
    expect(line.run({ bytesPerMs: 12_000, forMs: 30_000 }).share).toBe(1);
    expect(openLine().run({ bytesPerMs: 12_000, forMs: 30_000 }).share).toBe(0);
  });

  test('automatic compression does not take a break for a slow line', () => {
    const line = openLine();
    line.run({ bytesPerMs: 100_000, forMs: 1000 });
    line.idle(60_000);
    expect(line.run({ bytesPerMs: 100_000, forMs: 3000 }).share).toBe(0);
  });

  test('automatic compression takes zstd where gzip would be too slow', () => {
    const line = openLine('auto', BOTH);
    line.run({ bytesPerMs: 15_000, forMs: 5000 });
    expect(line.compression.encodingFor(BOTH)).toBe('zstd');
    expect(line.compression.encodingFor(['gzip'])).toBeUndefined();
  });
});

test('compression that is always on or never on ignores the line, and keeps to what was agreed', () => {
  const always = openLine('always', BOTH).compression;
  expect(always.encodingFor(BOTH)).toBe('zstd');
  expect(always.encodingFor(['br', 'gzip'])).toBe('gzip');
  expect(always.encodingFor([])).toBeUndefined();
  expect(always.encodingFor(undefined)).toBeUndefined();
  expect(always.offers).toEqual(BOTH);
  const never = openLine('never', BOTH).compression;
  expect([never.offers, never.encodingFor(BOTH)]).toEqual([undefined, undefined]);
});
