/** How long after a kill of both sides the first new byte goes over the wire, early and late in a large file. */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { startCuttingProxy, type CuttingProxy } from '../../support/cutting-proxy.ts';
import type { Bench } from '../bench.ts';
import { seatCairn } from '../contestants/cairn.ts';
import type { Ground } from '../contestants/contestant.ts';
import { dataFile, GIB } from '../data.ts';
import { checkSame } from '../digest.ts';
import { startMeasured, type Measurement } from '../measure.ts';
import { cpuOf, peakOf } from '../process-tree.ts';
import { median, type Row, type Verdict } from '../result.ts';
import type { Scenario } from './scenario.ts';
import { freePort } from '../../support/free-port.ts';

const BYTES = 4 * GIB;
const SHARES = [0.1, 0.9];
const LIMIT_S = 1;
const MAX_RUNS = 3;
const CHUNK_PUT = /\/chunks\/\d+/;
const NAME = 'large';

/** Kills both sides of a push when `share` of it has gone over, starts both again, and waits for the first new byte. */
async function resumeAt(bench: Bench, share: number): Promise<Measurement> {
  const folder = path.join(bench.disk.folder, 'resume');
  mkdirSync(folder);
  const source = dataFile(bench.disk, BYTES);
  const port = await freePort();
  const proxy = await startCuttingProxy({ targetPort: port });
  const ground: Ground = { place: bench.disk, folder, via: async () => proxy.port };
  const first = await seatCairn(ground, { again: { port } });
  const reached = proxy.pauseAfter('up', share * BYTES);
  const begun = startMeasured(first.push!(source, NAME), first.servers);
  await reached;
  process.kill(await begun.pid, 'SIGKILL');
  await first.server.kill();
  await begun.result.catch(() => undefined);
  proxy.cutAll();
  proxy.resume();
  bench.disk.settle();

  const startedAt = performance.now();
  const second = await seatCairn(ground, { again: { port } });
  const newByte = firstNewByte(proxy);
  const resumed = startMeasured(second.push!(source, NAME), second.servers);
  await Promise.race([newByte, resumed.result]);
  const wallS = (performance.now() - startedAt) / 1000;
  const sides = [[await resumed.pid], second.servers].map((pids) => ({
    cpuS: cpuOf(pids),
    peakBytes: peakOf(pids[0]!),
  }));
  await resumed.result;
  checkSame('cairn', source, second.served(NAME));
  await second.close();
  await proxy.close();
  rmSync(folder, { recursive: true });
  bench.say(`  at ${share * 100} %: ${wallS.toFixed(2)} s`);
  return { wallS, client: sides[0]!, server: sides[1]! };
}

function firstNewByte(proxy: CuttingProxy): Promise<void> {
  return new Promise((resolve) => {
    proxy.onPiece(({ way, bytes, bodyFrom, request }) => {
      const isChunk = request?.method === 'PUT' && CHUNK_PUT.test(request.path);
      if (way === 'up' && isChunk && bodyFrom < bytes.length) resolve();
    });
  });
}

/** The only one. */
export const resume: Scenario = {
  name: 'resume',
  title: 'first new byte of 4 GiB after a kill of both sides, on disk',
  takesLong: true,
  run: async (bench) => {
    const rows: Row[] = SHARES.map((share) => ({ contestant: `at ${share * 100} %`, runs: [] }));
    for (let round = 0; round < Math.min(bench.runs, MAX_RUNS); round += 1) {
      for (const [at, share] of SHARES.entries()) {
        (rows[at]!.runs as Measurement[]).push(await resumeAt(bench, share));
      }
    }
    const verdicts = rows.map(({ contestant, runs }): Verdict => ({
      target: `${contestant}: first new byte ≤ ${LIMIT_S} s after the start of both sides`,
      value: median(runs.map(({ wallS }) => wallS)),
      limit: LIMIT_S,
      bound: 'at most',
      unit: 's',
    }));
    const notes = [
      'time, CPU and memory are those until the first byte of a chunk goes by on the wire, from the start of the server, which the client follows when it listens; then the transfer ends and is verified',
    ];
    return { rows, verdicts, notes };
  },
};
