/** What is felt first: `cairn --version`, and a push of one kibibyte. */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { CAIRN_BIN, seatCairn } from '../contestants/cairn.ts';
import { checkSame } from '../digest.ts';
import { dataFile, KIB } from '../data.ts';
import { measure, type Command, type Measurement } from '../measure.ts';
import { median, type Row, type Verdict } from '../result.ts';
import type { Scenario } from './scenario.ts';

const NAMES = { empty: 'empty Node process', version: 'cairn --version', push: 'cairn push of 1 KiB' };
const RUNS_PER_RUN = 5;
const AUTHORITIES = 'NODE_EXTRA_CA_CERTS';

/** The only one. */
export const startup: Scenario = {
  name: 'startup',
  title: 'start-up: cairn --version, push of 1 KiB',
  takesLong: false,
  run: async (bench) => {
    const folder = path.join(bench.memory.folder, 'startup');
    mkdirSync(folder);
    const source = dataFile(bench.memory, KIB);
    const seat = await seatCairn({ place: bench.memory, folder, via: async (port) => port });
    const commands: Record<keyof typeof NAMES, Command> = {
      empty: { words: [process.execPath, '-e', '0'] },
      version: { words: [process.execPath, CAIRN_BIN, '--version'] },
      push: seat.push!(source, 'small'),
    };
    const runs: Record<keyof typeof NAMES, Measurement[]> = { empty: [], version: [], push: [] };
    for (let round = 0; round < bench.runs * RUNS_PER_RUN; round += 1) {
      for (const who of ['empty', 'version', 'push'] as const) {
        runs[who].push(await measure(commands[who], who === 'push' ? seat.servers : []));
        if (who === 'push') checkSame('cairn', source, seat.served('small'));
        rmSync(seat.served('small'), { force: true });
      }
    }
    await seat.close();
    const medianOf = (who: keyof typeof NAMES): number => median(runs[who].map(({ wallS }) => wallS));
    const verdict = (who: 'version' | 'push', limit: number): Verdict => ({
      target: `${NAMES[who]} ≤ ${limit} × ${NAMES.empty}`,
      value: medianOf(who) / medianOf('empty'),
      limit,
      bound: 'at most',
      unit: '×',
    });
    const rows: Row[] = (['empty', 'version', 'push'] as const).map((who) => ({
      contestant: NAMES[who],
      runs: runs[who],
    }));
    const notes =
      process.env[AUTHORITIES] === undefined
        ? []
        : [`${AUTHORITIES} is set: Node 20 reads it at every start, an empty process too`];
    return { rows, verdicts: [verdict('version', 1.3), verdict('push', 3)], notes };
  },
};
