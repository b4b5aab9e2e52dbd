import { describe, expect, it } from 'vitest';
import type { TransferEvent, TransferSummary } from '../../../src/client/api/events.ts';
import { barOf, fileLine, overallLine } from '../../../src/cli/screen/bar-lines.ts';
import { createBarScreen } from '../../../src/cli/screen/bars.ts';
import { jsonLine } from '../../../src/cli/report/json-line.ts';
import { createJsonScreen } from '../../../src/cli/screen/json.ts';
import { createPlainScreen, createQuietScreen } from '../../../src/cli/screen/plain.ts';
import { openScreen } from '../../../src/cli/screen/open-screen.ts';
import { summaryLine } from '../../../src/cli/screen/lines.ts';
import { createTally, type Progress } from '../../../src/cli/screen/tally.ts';
import { cutEnd, cutMiddle, displayWidth } from '../../../src/cli/report/width.ts';
import { formatBytes } from '../../../src/base/byte-text.ts';
import { formatCount, formatDuration } from '../../../src/cli/report/wording.ts';

const MIB = 1024 * 1024;
const planned = (bytesTotal: number | null, bytesResumed = 0): TransferEvent => ({
  type: 'planned',
  entries: 3,
  carried: 3,
  bytesTotal,
  bytesSkipped: 5,
  bytesResumed,
});
const warning: TransferEvent = {
  type: 'warning',
  code: 'source-unreadable',
  path: 'evil\u001b[2J\nname',
  message: 'permission denied',
};
const waiting: Extract<TransferEvent, { type: 'waiting' }> = {
  type: 'waiting',
  code: 'network',
  message: 'connection refused',
  delayMs: 2000,
  leftMs: 300_000,
};
const summary: TransferSummary = {
  direction: 'push',
  entries: 2003,
  changed: 2003,
  bytesTotal: 210 * MIB,
  bytesMoved: 100 * MIB,
  bytesSaved: 0,
  bytesSkipped: 0,
  bytesReused: 0,
  bytesResumed: 0,
  retries: 0,
  resumes: 0,
  durationMs: 10_000,
  digest: 'abc',
  excluded: 0,
  unselected: 0,
};

function clock(): { now: () => number; pass: (ms: number) => void } {
  let at = 1000;
  return { now: () => at, pass: (ms) => (at += ms) };
}

describe('trackers', () => {
  it('a tracker counts what is done, what was lost, and never beyond the total', () => {
    const tally = createTally(clock().now);
    tally.add(planned(100, 20));
    tally.add({ type: 'bytes', bytes: 50 });
    tally.add({ type: 'lost', bytes: 30 });
    expect(tally.now()).toMatchObject({
      bytesDone: 40,
      bytesTotal: 100,
      bytesResumed: 20,
      bytesSkipped: 5,
      entries: 3,
    });
    tally.add({ type: 'bytes', bytes: 500 });
    expect(tally.now().bytesDone).toBe(100);
  });

  it('a tracker gives the rate of the last seconds and the time that is left', () => {
    const time = clock();
    const tally = createTally(time.now);
    tally.add(planned(100 * MIB));
    for (let second = 0; second < 20; second += 1) {
      tally.add({ type: 'bytes', bytes: second < 8 ? MIB : 2 * MIB });
      time.pass(1000);
    }
    const { bytesPerSecond, etaMs, bytesDone } = tally.now();
    expect(bytesPerSecond / MIB).toBeCloseTo(2, 1);
    expect(etaMs).toBeCloseTo(((100 * MIB - bytesDone) / bytesPerSecond) * 1000, 0);
    time.pass(60_000);
    expect(tally.now()).toMatchObject({ bytesPerSecond: 0, etaMs: undefined });
  });

  it('a tracker ignores bytes that only fill buffers at the start in its rate', () => {
    const time = clock();
    const tally = createTally(time.now);
    tally.add(planned(100 * MIB));
    for (let connection = 0; connection < 4; connection += 1) tally.add({ type: 'bytes', bytes: 2 * MIB });
    for (let second = 0; second < 8; second += 1) {
      time.pass(1000);
      tally.add({ type: 'bytes', bytes: MIB / 10 });
    }
    expect(tally.now().bytesPerSecond / MIB).toBeCloseTo(0.1, 1);
  });

  it('a tracker counts down while it waits', () => {
    const time = clock();
    const tally = createTally(time.now);
    tally.add(waiting);
    time.pass(1500);
    expect(tally.now().waiting).toMatchObject({ delayMs: 500, leftMs: 298_500 });
  });

  it('a tracker counts the files that have crossed', () => {
    const tally = createTally(clock().now);
    tally.add(planned(100));
    tally.add({ type: 'moved', entries: 2 });
    tally.add({ type: 'moved', entries: -1 });
    expect(tally.now()).toMatchObject({ moved: 1, carried: 3 });
  });

  it('a tracker reports a wait until something moves again', () => {
    const tally = createTally(clock().now);
    tally.add(waiting);
    expect(tally.now().waiting).toMatchObject({ message: 'connection refused', delayMs: 2000 });
    tally.add({ type: 'bytes', bytes: 1 });
    expect(tally.now().waiting).toBeUndefined();
  });

  it('a tracker knows which large files are under way', () => {
    const tally = createTally(clock().now);
    const file = { type: 'file', path: 'a', doneBytes: 1, sizeBytes: 10, resumedBytes: 0 } as const;
    tally.add(file);
    tally.add({ ...file, path: 'b' });
    tally.add({ ...file, doneBytes: 10 });
    expect(tally.now().files.map(({ path }) => path)).toEqual(['b']);
  });
});

describe('plain lines', () => {
  function screenWithLines(showsProgress = true) {
    const lines: string[] = [];
    const time = clock();
    const screen = createPlainScreen({
      say: (line) => lines.push(line),
      showsProgress,
      dryRun: false,
      now: time.now,
    });
    return { screen, lines, time };
  }

  it('plain lines come for each phase, and every five seconds', () => {
    const { screen, lines, time } = screenWithLines();
    screen.report({ type: 'phase', phase: 'scanning' });
    screen.report(planned(100 * MIB));
    screen.report({ type: 'phase', phase: 'transferring', entries: 1200 });
    for (let tenth = 0; tenth < 120; tenth += 1) {
      screen.report({ type: 'bytes', bytes: MIB / 4 });
      time.pass(100);
    }
    expect(lines).toEqual([
      'cairn: scanning',
      'cairn: transferring 1,200 entries',
      expect.stringMatching(
        /^cairn: 12\.\d MiB of 100 MiB \(12%\), 2\.\d+ MiB\/s, \d+\.\d s left, 0 of 3 files$/,
      ) as string,
      expect.stringMatching(/^cairn: 2\d\.\d MiB of 100 MiB \(25%\)/) as string,
    ]);
  });

  it('plain lines report a wait once, and not once for each connection', () => {
    const { screen, lines, time } = screenWithLines();
    for (let connection = 0; connection < 8; connection += 1) screen.report(waiting);
    expect(lines).toEqual(['cairn: waiting: connection refused; next try in 2.0 s, gives up in 5m00s']);
    screen.report({ type: 'resumed', epoch: 2, bytesResumed: 0 });
    time.pass(10);
    screen.report(waiting);
    expect(lines).toHaveLength(3);
  });

  it('plain lines without progress report only what was left out, and the result', () => {
    const { screen, lines, time } = screenWithLines(false);
    screen.report({ type: 'phase', phase: 'scanning' });
    time.pass(60_000);
    screen.report({ type: 'bytes', bytes: 1 });
    screen.report(warning);
    screen.summarize(summary, 0);
    expect(lines).toEqual([
      String.raw`cairn: left out "evil\x1b[2J\x0aname": permission denied`,
      'cairn: pushed 2,003 entries (210 MiB): sent 100 MiB in 10.0 s (10.0 MiB/s)',
    ]);
  });
});

describe('the quiet screen', () => {
  it('the quiet screen reports only what was left out', () => {
    const lines: string[] = [];
    const screen = createQuietScreen((line) => lines.push(line));
    for (const event of [planned(1), waiting, warning]) screen.report(event);
    screen.summarize(summary, 0);
    expect(lines).toHaveLength(1);
  });
});

describe('JSON lines', () => {
  function screenWithObjects(showsProgress = true, showsNotices = true) {
    const objects: Record<string, unknown>[] = [];
    const said: string[] = [];
    const time = clock();
    const screen = createJsonScreen({
      write: (text) => {
        expect(text.indexOf('\n')).toBe(text.length - 1);
        objects.push(JSON.parse(text) as Record<string, unknown>);
      },
      say: (line) => said.push(line),
      showsProgress,
      showsNotices,
      now: time.now,
    });
    return { screen, objects, said, time };
  }

  it('JSON lines show progress twice a second at most', () => {
    const { screen, objects, time } = screenWithObjects();
    screen.report(planned(1000));
    for (let tenth = 0; tenth < 20; tenth += 1) {
      screen.report({ type: 'bytes', bytes: 10 });
      time.pass(100);
    }
    expect(objects).toHaveLength(4);
    expect(objects[0]).toMatchObject({ type: 'progress', bytesTotal: 1000, bytesDone: 0, bytesSkipped: 5 });
  });

  it('JSON lines end with a summary that has the fields of the contract', () => {
    const { screen, objects } = screenWithObjects();
    screen.summarize({ ...summary, excluded: 1 }, 3);
    expect(objects).toEqual([
      {
        type: 'summary',
        direction: 'push',
        entries: 2003,
        changed: 2003,
        bytesTotal: 210 * MIB,
        bytesSent: 100 * MIB,
        bytesSaved: 0,
        bytesSkipped: 0,
        bytesReused: 0,
        bytesResumed: 0,
        retries: 0,
        resumes: 0,
        unselected: 0,
        durationMs: 10_000,
        digest: 'abc',
        excluded: 1,
        code: 'partial',
        exitCode: 3,
      },
    ]);
    screen.summarize({ ...summary, direction: 'pull' }, 0);
    expect(objects[1]).toMatchObject({ bytesReceived: 100 * MIB, code: 'ok', exitCode: 0 });
    expect(objects[1]).not.toHaveProperty('bytesSent');
    expect(objects[1]).not.toHaveProperty('bytesMoved');
  });

  it('JSON lines name an entry that was left out by its exact path', () => {
    const { screen, objects } = screenWithObjects(false);
    screen.report(planned(1));
    screen.report(warning);
    expect(objects).toEqual([{ ...warning }]);
  });

  it('JSON lines send notices elsewhere, and none if they are unwanted', () => {
    for (const showsProgress of [true, false]) {
      const { screen, objects, said } = screenWithObjects(showsProgress);
      screen.report({ type: 'notice', message: 'by the way' });
      expect(objects).toEqual([]);
      expect(said).toEqual(['cairn: by the way']);
    }
    const { screen, said } = screenWithObjects(false, false);
    screen.report({ type: 'notice', message: 'by the way' });
    expect(said).toEqual([]);
  });

  it('JSON lines hold nothing that moves a cursor, and lose nothing', () => {
    const value = { name: 'a\u009b2J\u202e\u2028b\ufeff\u0000\ud800' };
    const text = jsonLine(value);
    expect(text.trimEnd()).toMatch(/^[ -~]+$/);
    expect(JSON.parse(text)).toEqual(value);
  });
});

describe('bars', () => {
  const progress: Progress = {
    phase: 'transferring',
    entries: 3,
    carried: 3,
    moved: 1,
    elapsedMs: 61_000,
    bytesTotal: 100 * MIB,
    bytesDone: 50 * MIB,
    bytesResumed: 25 * MIB,
    bytesSkipped: 0,
    bytesPerSecond: 5 * MIB,
    etaMs: 10_000,
    publishing: undefined,
    waiting: undefined,
    files: [],
  };

  it('a bar shows what an earlier run brought apart from what this one did', () => {
    expect(barOf({ doneBytes: 50, resumedBytes: 25, sizeBytes: 100 }, 8, false)).toBe('▓▓██░░░░');
    expect(barOf({ doneBytes: 0, resumedBytes: 0, sizeBytes: 0 }, 4, false)).toBe('████');
    expect(barOf({ doneBytes: 999, resumedBytes: 999, sizeBytes: 100 }, 4, false)).toBe('▓▓▓▓');
  });

  it('a bar has bytes, rate, time left and the resumed part', () => {
    const line = overallLine(progress, 120, false);
    for (const part of ['50%', '50.0/100 MiB', '5.00 MiB/s', '10.0 s left', '1/3 files', '1m01s']) {
      expect(line).toContain(part);
    }
    expect(line.indexOf('50%')).toBeLessThan(line.indexOf('█'));
  });

  it.each([20, 24, 30, 40, 60, 80, 120, 300])('a bar begins with the numbers at %i columns', (columns) => {
    const file = {
      path: 'a/long/path/to/some/file.bin',
      doneBytes: 5 * MIB,
      sizeBytes: 10 * MIB,
      resumedBytes: 0,
    };
    expect(overallLine(progress, columns, false)).toMatch(/^50% 50\.0\/100 MiB/);
    expect(fileLine(file, columns, false)).toMatch(/^50% 5\.00\/10\.0 MiB/);
    const publishing = { entriesDone: 1200, entriesTotal: 2003 };
    const line = overallLine({ ...progress, phase: 'committing', publishing }, columns, false);
    expect(line).toMatch(/^1,200\/2,003/);
  });

  it('a bar says what is done when no bytes move any more', () => {
    const line = overallLine({ ...progress, phase: 'committing', bytesDone: 100 * MIB }, 80, false);
    expect(line).toBe('verifying and publishing  1m01s');
  });

  it('a bar says that the time left is unknown if nothing tells it', () => {
    const line = overallLine({ ...progress, bytesPerSecond: 0, etaMs: undefined }, 80, false);
    expect(line).toContain('time left unknown');
  });

  it('a bar counts down to the next try and to giving up', () => {
    expect(overallLine({ ...progress, waiting }, 80, false)).toBe(
      'next try in 2 s, gives up in 5m00s: connection refused',
    );
  });

  it.each([1, 2, 10, 20, 33, 40, 60, 79, 80, 200, 300])('a bar is never wider than %i columns', (columns) => {
    const file = {
      path: `日本語/${'long name '.repeat(20)}🪨`,
      doneBytes: 5,
      sizeBytes: 10,
      resumedBytes: 0,
    };
    const lines = [
      fileLine(file, columns, false),
      overallLine(progress, columns, false),
      overallLine({ ...progress, waiting: { ...waiting, message: 'very '.repeat(50) } }, columns, false),
      overallLine({ ...progress, publishing: { entriesDone: 1, entriesTotal: 100_000 } }, columns, false),
      overallLine({ ...progress, bytesTotal: null }, columns, false),
      overallLine({ ...progress, bytesTotal: undefined }, columns, false),
    ];
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(columns);
  });

  it('a bar has no color if none is wanted', () => {
    expect(overallLine(progress, 100, false)).not.toContain('\u001b');
    expect(overallLine(progress, 100, true)).toContain('\u001b');
  });

  it('the screen with bars has no more bars than rows, shows warnings, and gives the cursor back', () => {
    const written: string[] = [];
    const stream = {
      isTTY: true,
      columns: 80,
      rows: 6,
      write: (text: string) => written.push(text) > 0,
      on: () => undefined,
      off: () => undefined,
    } as unknown as NodeJS.WriteStream;
    const before = process.listenerCount('exit');
    const screen = createBarScreen({ stream, hasColor: false });
    screen.report(planned(100 * MIB));
    for (let file = 0; file < 20; file += 1) {
      screen.report({
        type: 'file',
        path: `file-${file}`,
        doneBytes: 1,
        sizeBytes: 9 * MIB,
        resumedBytes: 0,
      });
    }
    screen.report(warning);
    screen.stop();
    screen.stop();
    const text = written.join('');
    expect(text).toContain('file-2');
    expect(text).not.toContain('file-3');
    expect(text).toContain(String.raw`left out "evil\x1b[2J\x0aname"`);
    expect(text.lastIndexOf('\u001b[?25h')).toBeGreaterThan(text.lastIndexOf('\u001b[?25l'));
    expect(process.listenerCount('exit')).toBe(before);
    screen.summarize(summary, 0);
    expect(written.at(-1)).toContain('pushed 2,003 entries');
  });
});

describe('the choice of a screen', () => {
  const output = (isTTY: boolean, written: string[]) =>
    ({
      isTTY,
      columns: 80,
      rows: 24,
      write: (text: string) => written.push(text) > 0,
      on: () => undefined,
      off: () => undefined,
    }) as unknown as NodeJS.WriteStream;
  const wishes = { json: false, quiet: false, progress: true, dryRun: false };

  it.each([
    ['bars on a terminal', true, {}, {}, true],
    ['lines off it', false, {}, {}, false],
    ['lines on one that can do nothing', true, {}, { TERM: 'dumb' }, false],
    ['nothing of both with --no-progress', true, { progress: false }, {}, false],
    ['nothing of both with --quiet', true, { quiet: true }, {}, false],
  ])('the choice of a screen is %s', async (_what, isTTY, wish, env, hasBars) => {
    const written: string[] = [];
    const screen = await openScreen(
      { ...wishes, ...wish },
      { print: () => undefined, stderr: output(isTTY, written), env },
    );
    screen.report(planned(10));
    screen.stop();
    expect(written.join('').includes('\u001b[?25l')).toBe(hasBars);
  });
});

describe('words for numbers', () => {
  it('numbers in words keep three digits', () => {
    expect([0, 1023, 1024, 1536, 10.04 * MIB, 999.7 * MIB, 1e15].map(formatBytes)).toEqual(
      '0 B|1023 B|1.00 KiB|1.50 KiB|10.0 MiB|0.98 GiB|909 TiB'.split('|'),
    );
    expect([0, 999, 1000, 59_949, 60_000, 3_599_000, 7_500_000, 100 * 3_600_000].map(formatDuration)).toEqual(
      '0 ms|999 ms|1.0 s|59.9 s|1m00s|59m59s|2h05m|4d04h'.split('|'),
    );
    expect([1, 1000, 1_234_567].map(formatCount)).toEqual(['1', '1,000', '1,234,567']);
  });

  it('long names are cut in the middle, by columns', () => {
    expect(cutMiddle('abcdef', 5)).toBe('ab…ef');
    expect(cutMiddle('日本語', 5)).toBe('日…語');
    expect(cutMiddle('abc', 3)).toBe('abc');
    expect(cutEnd('abcdef', 4)).toBe('abc…');
    expect(displayWidth('e\u0301日')).toBe(3);
  });

  it('a result is one line', () => {
    const rich = {
      ...summary,
      bytesSaved: 3 * MIB,
      bytesResumed: MIB,
      bytesSkipped: 2 * MIB,
      retries: 1,
      resumes: 2,
      excluded: 1,
    };
    expect(summaryLine(rich, { dryRun: false })).toBe(
      'pushed 2,003 entries (210 MiB): sent 100 MiB in 10.0 s (10.0 MiB/s), 3.00 MiB less on the wire, resumed 1.00 MiB, ' +
        '2.00 MiB already there, 1 retry, 2 resumes, 1 entry left out',
    );
    expect(summaryLine({ ...summary, changed: 0, bytesMoved: 0, bytesTotal: 0 }, { dryRun: false })).toBe(
      'up to date: 2,003 entries',
    );
    expect(summaryLine({ ...summary, direction: 'pull' }, { dryRun: true })).toBe(
      'would pull 2,003 entries (210 MiB)',
    );
  });
});
