/** A line that is long and thin, and the same with cuts. */
import { aria2, cairn, curl, rclone, rsync, tus } from '../contestants/all.ts';
import type { Contestant } from '../contestants/contestant.ts';
import type { Bench } from '../bench.ts';
import { dataFile, MIB } from '../data.ts';
import { checkLine } from '../line/line-check.ts';
import { LONG_LINE, type CutPlan } from '../line/line-shape.ts';
import { openLine, type Line } from '../line/open-line.ts';
import { race } from '../race.ts';
import { compare, found, median, type Row, type Verdict } from '../result.ts';
import type { Scenario } from './scenario.ts';

type Direction = 'push' | 'pull';

const SIZES = { full: 256 * MIB, ofOneStream: 64 * MIB, quick: 32 * MIB };
const SHARE = 0.85;
/** Each run takes long, and the line, not the machine, decides how long. */
const MAX_RUNS = 3;
/** A transfer of a few seconds sees a cut, too. */
const CUTS: CutPlan = { firstMs: 2500, everyMs: 10_000 };
const CONTESTANTS: Readonly<Record<Direction, readonly Contestant[]>> = {
  push: [cairn, rsync, curl, rclone, tus],
  pull: [cairn, rsync, curl, rclone, aria2(16)],
};
/** Who sends one file over one connection: a quarter of the data says as much. */
const ONE_STREAM: Readonly<Record<Direction, readonly string[]>> = {
  push: [rsync.name, curl.name, rclone.name, tus.name],
  pull: [rsync.name, curl.name],
};

/** Runs a race through a line for each contestant. */
async function raceOverLine(
  bench: Bench,
  plan: {
    direction: Direction;
    contestants: readonly Contestant[];
    cuts?: CutPlan;
    onCuts?: (count: number) => void;
  },
): Promise<{ rows: Row[]; bytes: number }> {
  const { direction, contestants, cuts } = plan;
  const bytes = bench.isQuick ? SIZES.quick : SIZES.full;
  const less = bench.isQuick ? SIZES.quick / 4 : SIZES.ofOneStream;
  const isSlow = ({ name }: Contestant): boolean => ONE_STREAM[direction].includes(name);
  const lines: Line[] = [];
  try {
    const rows = await race(bench, {
      direction,
      contestants,
      place: bench.memory,
      source: dataFile(bench.memory, bytes),
      sourceOf: (contestant) => (isSlow(contestant) ? dataFile(bench.memory, less) : undefined),
      runs: Math.min(bench.isQuick ? 1 : MAX_RUNS, bench.runs),
      via: async (port) => {
        lines.push(await openLine(LONG_LINE, port));
        return lines.at(-1)!.port;
      },
      around: async () => {
        for (const line of lines) await line.cut(cuts);
        return async () => {
          for (const line of lines) plan.onCuts?.(await line.cut(undefined));
        };
      },
    });
    const slow = new Set(contestants.filter(isSlow).map(({ name }) => name));
    return { bytes, rows: rows.map((row) => (slow.has(row.contestant) ? { ...row, bytes: less } : row)) };
  } finally {
    lines.forEach((line) => line.close());
  }
}

const wallOf = ({ rows }: { rows: readonly Row[] }): number =>
  median(rows[0]!.runs.map(({ wallS }) => wallS));

const longLine = (direction: Direction): Scenario => ({
  name: `long-line-${direction}`,
  title: `${direction} 256 MiB: 80 ms round trip, 20 Mbit/s a connection, 400 Mbit/s in all`,
  takesLong: false,
  run: async (bench) => {
    const check = await checkLine();
    // The quick bench leaves those away who take longest.
    const contestants = CONTESTANTS[direction].filter(
      ({ name }) => !bench.isQuick || name === cairn.name || !ONE_STREAM[direction].slice(1).includes(name),
    );
    const result = await raceOverLine(bench, { direction, contestants });
    const share: Verdict = {
      target: `≥ ${SHARE * 100} % of the link`,
      value: (result.bytes / wallOf(result) / LONG_LINE.totalBytesPerSecond) * 100,
      limit: SHARE * 100,
      bound: 'at least',
      unit: '%',
    };
    const atLeast = (peer: Contestant, limit: number): Verdict | undefined =>
      compare(result, peer.name, { limit, bound: 'at least' });
    const verdicts = [
      share,
      atLeast(rsync, 5),
      atLeast(curl, 5),
      ...[rclone, aria2(16), tus].map((peer) => atLeast(peer, 1)),
    ];
    const notes = [
      `the line itself, with plain sockets: ${check.roundTripMs.toFixed(0)} ms, ${check.oneMbits.toFixed(1)} Mbit/s for one, ${check.allMbits.toFixed(0)} Mbit/s for 25`,
      'who sends over one connection sends a quarter of the data, and is compared by rate; the line has no slow start',
    ];
    return { ...result, verdicts: found(verdicts), notes: bench.isQuick ? ['32 MiB', ...notes] : notes };
  },
});

/** With cuts and without them, one after the other. */
const badLine: Scenario = {
  name: 'bad-line',
  title: 'the long line with a cut of all connections every 10 s',
  takesLong: true,
  run: async (bench) => {
    const rows: Row[] = [];
    const verdicts: Verdict[] = [];
    const notes = [
      `the first cut comes after ${CUTS.firstMs / 1000} s, so that nobody is faster than the first`,
    ];
    for (const direction of ['push', 'pull'] as const) {
      let cuts = 0;
      const onCuts = (count: number): void => void (cuts += count);
      const without = await raceOverLine(bench, { direction, contestants: [cairn] });
      const withCuts = await raceOverLine(bench, { direction, contestants: [cairn], cuts: CUTS, onCuts });
      rows.push(
        { ...without.rows[0]!, contestant: `${direction}, no cuts`, bytes: without.bytes },
        { ...withCuts.rows[0]!, contestant: `${direction}, cuts`, bytes: withCuts.bytes },
      );
      notes.push(`${direction}: ${cuts} cuts in ${withCuts.rows[0]!.runs.length} runs`);
      verdicts.push({
        target: `${direction} ≤ 1.2 × its time without cuts`,
        value: wallOf(withCuts) / wallOf(without),
        limit: 1.2,
        bound: 'at most',
        unit: '×',
      });
    }
    return { rows, verdicts, notes };
  },
};

/** All of them. */
export const longLines: readonly Scenario[] = [longLine('push'), longLine('pull'), badLine];
