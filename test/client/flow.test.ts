import { describe, expect, test, vi } from 'vitest';
import { createFlow, type Flow } from '../../src/client/transfer/flow.ts';
import { fixedCount, runWorkers } from '../../src/base/workers.ts';

const MAX = 48;
const CHUNK = 2 ** 20;

/** A link, in bytes a millisecond: what one connection gets, and what all of them get together. */
interface Link {
  readonly each: number;
  readonly all: number;
}

/** Runs a flow over a simulated link; answers its width every 100 ms. */
function widthsOver(link: () => Link, forMs: number, roundTripMs: number): number[] {
  const clock = { ms: 0 };
  const flow: Flow = createFlow({ max: MAX, isFixed: false, roundTripMs, now: () => clock.ms });
  flow.begin(CHUNK);
  const widths: number[] = [];
  let answered = 0;
  for (; clock.ms < forMs; clock.ms += 1) {
    const { each, all } = link();
    answered += Math.min(all, each * flow.width);
    for (; answered >= CHUNK; answered -= CHUNK) flow.finished(CHUNK);
    if (clock.ms % 100 === 0) widths.push(flow.width);
  }
  return widths;
}

describe('concurrency', () => {
  test('the number of connections grows as long as more of them bring more bytes', () => {
    const widths = widthsOver(() => ({ each: 2500, all: 50_000 }), 10_000, 80);
    expect(widths[0]).toBe(24);
    expect(Math.min(...widths.slice(30))).toBeGreaterThanOrEqual(20);
  });

  test('the number of connections stays small where one connection gets all that the line carries', () => {
    const widths = widthsOver(() => ({ each: 100_000, all: 100_000 }), 30_000, 0.5);
    expect(widths[0]).toBe(4);
    const wide = widths.filter((width) => width > 4).length / widths.length;
    expect(wide).toBeLessThan(0.1);
    expect(Math.max(...widths)).toBe(6);
  });

  test('the number of connections stays small where each is fast and the speed of a disk varies', () => {
    let ms = 0;
    const disk = (): Link => {
      ms += 1;
      return { each: 500_000, all: 300_000 + 200_000 * Math.sin(ms / 1900) };
    };
    const widths = widthsOver(disk, 120_000, 0.5);
    expect(widths[0]).toBe(4);
    expect(Math.max(...widths)).toBeLessThanOrEqual(6);
  });

  test('the number of connections falls back where a slow line makes chunks wait for each other', () => {
    const widths = widthsOver(() => ({ each: 1000, all: 1000 }), 120_000, 80);
    expect(widths[0]).toBe(24);
    expect(Math.max(...widths.slice(400))).toBe(4);
  });

  test('a transfer on a long line begins with no more bytes on the way than may be lost', () => {
    const flow = createFlow({ max: MAX, isFixed: false, roundTripMs: 80, now: () => 0 });
    flow.begin(8 * CHUNK);
    expect(flow.width).toBe(4);
    expect(flow.startWidth(8 * CHUNK)).toBe(5);
  });

  test('a transfer on a long line widens before its first answers', () => {
    vi.useFakeTimers();
    try {
      const flow = createFlow({ max: MAX, isFixed: false, roundTripMs: 80, now: () => 0 });
      const told: number[] = [];
      flow.onWiden(() => told.push(flow.width));
      flow.begin(CHUNK);
      expect([flow.width, flow.startWidth(CHUNK)]).toEqual([24, 40]);
      vi.advanceTimersByTime(300);
      expect([flow.width, told]).toEqual([40, [40]]);
    } finally {
      vi.useRealTimers();
    }
  });

  test('the number of connections is not widened by time once it was judged by answers', () => {
    vi.useFakeTimers();
    try {
      let nowMs = 0;
      const flow = createFlow({ max: MAX, isFixed: false, roundTripMs: 20, now: () => nowMs });
      flow.begin(CHUNK);
      nowMs = 60_000;
      for (let count = 0; count < 24; count += 1) flow.finished(CHUNK);
      const judged = flow.width;
      vi.advanceTimersByTime(300);
      expect(flow.width).toBe(judged);
    } finally {
      vi.useRealTimers();
    }
  });

  test('a transfer on a short line begins with few connections, and plans no more', () => {
    const flow = createFlow({ max: MAX, isFixed: false, roundTripMs: 5, now: () => 0 });
    flow.begin(CHUNK);
    expect([flow.width, flow.startWidth(CHUNK)]).toEqual([4, 4]);
  });

  test('the number of connections follows a line that becomes slower for each of them', () => {
    let link = { each: 50_000, all: 50_000 };
    const clock: number[] = [];
    const widths = widthsOver(
      () => {
        clock.push(0);
        if (clock.length === 20_000) link = { each: 2500, all: 50_000 };
        return link;
      },
      60_000,
      5,
    );
    expect(widths[190]).toBe(4);
    expect(widths.at(-1)).toBeGreaterThanOrEqual(13);
  });

  test('the number of connections is the one that the user sets, whatever the line carries', () => {
    const flow = createFlow({ max: 3, isFixed: true, roundTripMs: 100, now: () => 0 });
    for (let count = 0; count < 100; count += 1) flow.finished(CHUNK);
    expect(flow.width).toBe(3);
  });
});

describe('workers', () => {
  test('workers become more while they run, and fewer between two jobs', async () => {
    let width = 2;
    let widened = (): void => undefined;
    const count = {
      get width() {
        return width;
      },
      onWiden: (told: () => void) => {
        widened = told;
        return () => undefined;
      },
    };
    let left = 40;
    let working = 0;
    const seen: number[] = [];
    await runWorkers(
      count,
      new AbortController().signal,
      () => (left > 0 ? left-- : undefined),
      async () => {
        working += 1;
        seen.push(working);
        await new Promise((resolve) => setImmediate(resolve));
        working -= 1;
        if (left === 30) {
          width = 5;
          widened();
        }
        if (left === 10) width = 1;
      },
    );
    expect(left).toBe(0);
    expect(Math.max(...seen)).toBe(5);
    expect(seen.at(-1)).toBe(1);
  });

  test('workers that find nothing to do end at once', async () => {
    await runWorkers(
      fixedCount(3),
      new AbortController().signal,
      () => undefined,
      async () => undefined,
    );
  });

  test('workers end with the first failure, whatever fails after it', async () => {
    let job = 0;
    const run = runWorkers(
      fixedCount(3),
      new AbortController().signal,
      () => (job += 1),
      async (which, signal) => {
        if (which === 2) throw new Error('the first');
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('later'))));
      },
    );
    await expect(run).rejects.toThrow('the first');
  });
});
