/** What crosses of a changed file of which the destination has the older version, and how long that takes: push, pull, rsync. */
import { copyFileSync, mkdirSync, rmSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import type { Bench } from '../bench.ts';
import { seatCairn } from '../contestants/cairn.ts';
import type { Ground, Seat } from '../contestants/contestant.ts';
import { seatRsync } from '../contestants/rsync.ts';
import { GIB } from '../data.ts';
import { appended, database, moved, pagesChanged, type Change } from '../delta/changed-files.ts';
import { checkSame } from '../digest.ts';
import { measure } from '../measure.ts';
import { programPath } from '../processes.ts';
import { median, type Verdict } from '../result.ts';
import type { Scenario } from './scenario.ts';

const MB = 1e6;
const MAX_TIME_OF_RSYNC = 1.3;
const NAME = 'file';
const DIRECTIONS = ['push', 'pull'] as const;
type Direction = (typeof DIRECTIONS)[number];

/** Bytes of all connections, both ways, and seconds. */
interface Run {
  readonly bytes: number;
  readonly wallS: number;
  readonly cpuS: number;
}

/** A change, and the most that may cross: in bytes, or as a part of what rsync sends. */
interface Subject {
  readonly title: string;
  readonly change: Change;
  readonly goal: { readonly bytes: number } | { readonly ofRsync: number };
}

/** One transfer over a relay that counts, to a destination that has the older version. */
async function runOnce(
  bench: Bench,
  direction: Direction,
  { older, newer }: Change,
  sit: (ground: Ground) => Promise<Seat>,
): Promise<Run> {
  const folder = path.join(bench.memory.folder, 'seat');
  mkdirSync(folder);
  const proxies: Awaited<ReturnType<typeof startCuttingProxy>>[] = [];
  const via = async (port: number): Promise<number> => {
    proxies.push(await startCuttingProxy({ targetPort: port }));
    return proxies.at(-1)!.port;
  };
  const seat = await sit({ place: bench.memory, folder, via });
  const [served, local] = [seat.served(NAME), path.join(folder, 'local')];
  const destination = direction === 'push' ? served : local;
  copyFileSync(older, destination);
  utimesSync(destination, 0, 0);
  if (direction === 'pull') copyFileSync(newer, served);
  const command = direction === 'push' ? seat.push!(newer, NAME) : seat.pull!(NAME, local);
  const { wallS, client, server } = await measure(command, seat.servers);
  checkSame(`${direction} of a changed file`, newer, destination);
  const bytes = proxies.reduce((sum, { bytesUp, bytesDown }) => sum + bytesUp + bytesDown, 0);
  await seat.close();
  for (const proxy of proxies) await proxy.close();
  rmSync(folder, { recursive: true });
  return { bytes, wallS, cpuS: client.cpuS + server.cpuS };
}

async function judge(
  bench: Bench,
  { title, change, goal }: Subject,
): Promise<{ verdicts: Verdict[]; notes: string[] }> {
  const runs: Record<string, Run[]> = {};
  const contestants = {
    cairn: (ground: Ground) => seatCairn(ground),
    rsync: (ground: Ground) => seatRsync(ground, ['--no-whole-file']),
  };
  for (let round = 0; round < bench.runs; round += 1) {
    for (const direction of DIRECTIONS) {
      for (const [name, sit] of Object.entries(contestants))
        (runs[`${direction} ${name}`] ??= []).push(await runOnce(bench, direction, change, sit));
    }
  }
  const of = (name: string, member: keyof Run): number => median(runs[name]!.map((run) => run[member]));
  const verdicts: Verdict[] = [];
  const notes: string[] = [];
  for (const direction of DIRECTIONS) {
    const [ours, theirs] = [`${direction} cairn`, `${direction} rsync`];
    const ratio = of(ours, 'wallS') / of(theirs, 'wallS');
    const limit = 'bytes' in goal ? goal.bytes : goal.ofRsync * of(theirs, 'bytes');
    const tell = (name: string): string =>
      `${(of(name, 'bytes') / MB).toFixed(2)} MB, ${of(name, 'wallS').toFixed(2)} s (${of(name, 'cpuS').toFixed(2)} s of CPU)`;
    const note = `${title}, ${direction}: ${tell(ours)}; rsync ${tell(theirs)}; ${ratio.toFixed(2)} × the time`;
    bench.say(`  ${note}`);
    notes.push(note);
    const target = `${title}, ${direction}`;
    const mb: Verdict = {
      target: `${target}: ≤ ${(limit / MB).toFixed(2)} MB`,
      value: of(ours, 'bytes') / MB,
      limit: limit / MB,
      bound: 'at most',
      unit: 'MB',
    };
    const time: Verdict = {
      target: `${target}: ≤ ${MAX_TIME_OF_RSYNC} × the time of rsync`,
      value: ratio,
      limit: MAX_TIME_OF_RSYNC,
      bound: 'at most',
      unit: '×',
    };
    verdicts.push(mb, time);
  }
  rmSync(change.newer);
  return { verdicts, notes };
}

/** Makes the files of each change when its turn comes. */
async function* subjectsOf(bench: Bench): AsyncGenerator<Subject> {
  const { memory } = bench;
  yield { title: '10 MiB appended', change: appended(memory, GIB), goal: { bytes: 11.2 * MB } };
  yield { title: '1 % of its pages', change: pagesChanged(memory, GIB), goal: { bytes: 30 * MB } };
  yield { title: '1,000,003 bytes in front', change: await moved(memory, GIB), goal: { bytes: 1.6 * MB } };
  if (programPath('sqlite3') === undefined) {
    bench.leaveOut('sqlite3', new Error('not installed'));
    return;
  }
  const { file, dump } = database(memory);
  yield { title: 'SQLite, 0.5 % of the rows', change: file, goal: { ofRsync: 0.5 } };
  yield { title: 'its dump as SQL', change: dump, goal: { ofRsync: 0.4 } };
}

/** The only one. */
export const changed: Scenario = {
  name: 'changed',
  title:
    'a changed file of 1 GiB over its older version, loopback, memory file system; all bytes of the connections',
  takesLong: true,
  run: async (bench) => {
    const [verdicts, notes]: [Verdict[], string[]] = [[], []];
    for await (const subject of subjectsOf(bench)) {
      const judged = await judge(bench, subject);
      verdicts.push(...judged.verdicts);
      notes.push(...judged.notes);
    }
    return { rows: [], verdicts, notes };
  },
};
