/** Several contestants do the same, in turn. */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Bench } from './bench.ts';
import { cairn } from './contestants/cairn.ts';
import type { Contestant, Ground, Seat } from './contestants/contestant.ts';
import { checkSame } from './digest.ts';
import { measure, type Measurement } from './measure.ts';
import { linkTree, type Place } from './place.ts';
import type { Row } from './result.ts';

/** What is done by whom. */
export interface Race {
  readonly direction: 'push' | 'pull';
  readonly place: Place;
  readonly contestants: readonly Contestant[];
  /** A file or a folder. */
  readonly source: string;
  readonly runs: number;
  /** Other data, for a contestant that would take too long with these. */
  readonly sourceOf?: (contestant: Contestant) => string | undefined;
  /** The near end of a line to what listens on a port. */
  readonly via?: (port: number) => Promise<number>;
  /** Does something before each run of a contestant, and something after it. */
  readonly around?: (contestant: Contestant) => Promise<() => Promise<void>>;
  /** Leaves what a run has brought for the next one, to which nothing is left to do; the first is not counted. */
  readonly isRepeated?: boolean;
}

interface Racer {
  readonly contestant: Contestant;
  readonly folder: string;
  readonly seat: Seat;
  readonly runs: Measurement[];
  readonly source: string;
}

const NAME = 'moved';
const FIRST = 'first';

/** Runs all that are installed, in an order that changes each round, so that noise hits everybody. */
export async function race(bench: Bench, plan: Race): Promise<Row[]> {
  const racers: Racer[] = [];
  const failed = new Set<Racer>();
  const attempt = async (racer: Racer, round: string): Promise<void> => {
    if (failed.has(racer)) return;
    try {
      const run = await once(bench, plan, racer, round);
      if (round !== FIRST) racer.runs.push(run);
    } catch (error) {
      // A bench without cairn says nothing.
      if (racer.contestant === cairn) throw error;
      failed.add(racer);
      bench.leaveOut(racer.contestant.name, error);
    }
  };
  try {
    for (const contestant of plan.contestants) {
      if (contestant.missing() === undefined) racers.push(await seated(plan, contestant));
    }
    if (plan.isRepeated === true) for (const racer of racers) await attempt(racer, FIRST);
    for (let round = 0; round < plan.runs; round += 1) {
      const at = round % racers.length;
      for (const racer of [...racers.slice(at), ...racers.slice(0, at)]) {
        await attempt(racer, `${round + 1}/${plan.runs}`);
      }
    }
  } finally {
    for (const { seat, folder } of racers) {
      await seat.close();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const whole = racers.filter((racer) => !failed.has(racer));
  return whole.map(({ contestant, runs }) => ({ contestant: contestant.name, runs }));
}

async function seated(plan: Race, contestant: Contestant): Promise<Racer> {
  const folder = path.join(plan.place.folder, contestant.name.replaceAll(/[^a-z0-9]+/g, '-'));
  mkdirSync(folder, { recursive: true });
  const ground: Ground = { place: plan.place, folder, via: plan.via ?? (async (port) => port) };
  const seat = await contestant.setUp(ground);
  const source = plan.sourceOf?.(contestant) ?? plan.source;
  if (plan.direction === 'pull') linkTree(source, seat.served(NAME));
  return { contestant, folder, seat, runs: [], source };
}

async function once(bench: Bench, plan: Race, racer: Racer, round: string): Promise<Measurement> {
  const { seat, folder, contestant, source } = racer;
  const target = path.join(folder, 'target', NAME);
  mkdirSync(path.dirname(target), { recursive: true });
  const command = plan.direction === 'push' ? seat.push?.(source, NAME) : seat.pull?.(NAME, target);
  if (command === undefined) throw new Error(`${contestant.name} does not ${plan.direction}`);
  plan.place.settle();
  const after = await plan.around?.(contestant);
  let run: Measurement;
  try {
    run = await measure(command, seat.servers);
  } finally {
    await after?.();
  }
  bench.say(`  ${contestant.name} ${round}: ${run.wallS.toFixed(2)} s`);
  const result = plan.direction === 'push' ? seat.served(NAME) : target;
  checkSame(contestant.name, source, result);
  if (plan.isRepeated !== true) rmSync(result, { recursive: true });
  return run;
}
