/** A thousand pushes, eight at a time and all at once. */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { seatCairn } from '../contestants/cairn.ts';
import { checkSame } from '../digest.ts';
import { dataFile, MIB } from '../data.ts';
import { measure, type Measurement } from '../measure.ts';
import { median, type Row } from '../result.ts';
import type { Scenario } from './scenario.ts';

const SESSIONS = 1000;
const AT_ONCE = [8, SESSIONS];
const BYTES_EACH = 2 * MIB;
const MAX_RUNS = 3;
const WORST_SHARE = 0.8;
/** What else would refuse most of a thousand clients that all have the same address. */
const LIMITS = ['connections-per-address=8192', 'connections=8192'];

/** The only one. */
export const sessions: Scenario = {
  name: 'sessions-1000',
  title: '1,000 sessions of 2 MiB each, 8 at a time and 1,000 at once, memory file system',
  takesLong: true,
  run: async (bench) => {
    const source = dataFile(bench.memory, BYTES_EACH);
    const folder = path.join(bench.memory.folder, 'sessions');
    mkdirSync(folder);
    const ground = { place: bench.memory, folder, via: async (port: number) => port };
    const seat = await seatCairn(ground, { serveArgs: LIMITS.flatMap((limit) => ['--limit', limit]) });
    const load = path.join(path.dirname(process.argv[1]!), 'load.mjs');
    const rows: Row[] = AT_ONCE.map((atOnce) => ({ contestant: `${atOnce} at once`, runs: [] }));
    for (let round = 0; round < Math.min(bench.runs, MAX_RUNS); round += 1) {
      for (const [at, atOnce] of AT_ONCE.entries()) {
        const state = path.join(folder, 'state');
        const words = [load, source, seat.url, seat.tokenFile, state, String(SESSIONS), String(atOnce)];
        const run = await measure({ words: [process.execPath, ...words] }, seat.servers);
        for (let number = 0; number < SESSIONS; number += 1) {
          checkSame('cairn', source, seat.served(`load/${number}`));
        }
        rmSync(seat.served('load'), { recursive: true });
        (rows[at]!.runs as Measurement[]).push(run);
        bench.say(`  ${atOnce} at once: ${run.wallS.toFixed(2)} s`);
      }
    }
    await seat.close();
    rmSync(folder, { recursive: true });
    const [few, many] = rows.map(({ runs }) => median(runs.map(({ wallS }) => wallS)));
    const notes = [
      'one Node process runs all clients, with the code of cairn push; all sessions end and are verified',
      `since all clients have one address, the server has --limit ${LIMITS.join(', --limit ')}`,
    ];
    return {
      bytes: SESSIONS * BYTES_EACH,
      rows,
      verdicts: [
        {
          target: `throughput of 1,000 at once ≥ ${WORST_SHARE} × that of 8`,
          value: few! / many!,
          limit: WORST_SHARE,
          bound: 'at least',
          unit: '×',
        },
      ],
      notes,
    };
  },
};
