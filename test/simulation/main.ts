/**
 * `npm run test:simulation -- [--world disk|nodes] [--seeds N] [--from N] [--workers N] [--replay SEED]`: runs seeds on all
 * processors, or one seed again with all that happens in it. Ends with 1 where a promise was broken.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { runNodesSeed } from './nodes/run-nodes-seed.ts';
import { addReport, emptyReport, formatReport, type Report, type WorldKind } from './report.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { runSeeds, type SeedRange } from './run-seeds.ts';
import { openNodesStage, openStage } from './stage.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '0' },
    workers: { type: 'string', default: String(availableParallelism()) },
    replay: { type: 'string' },
    world: { type: 'string', default: 'disk' },
    worker: { type: 'string' },
  },
});

const world: WorldKind = values.world === 'nodes' ? 'nodes' : 'disk';

type Run = (seed: number, print?: (line: string) => void) => Promise<SeedResult>;

/** Opens the stage of the kind of world that is asked for. */
async function openRun(): Promise<Run> {
  if (values.world !== world) throw new Error(`--world takes disk or nodes, not "${values.world}"`);
  if (world === 'nodes') {
    const realms = await openNodesStage();
    return (seed, print) => runNodesSeed(seed, realms, print);
  }
  const stage = await openStage();
  return (seed, print) => runSeed(seed, stage, print);
}

/** A process of its own for every share of the seeds. */
function runShare(range: SeedRange): Promise<Report> {
  return new Promise((resolve, reject) => {
    const child = fork(process.argv[1]!, ['--world', world, '--worker', JSON.stringify(range)], {
      // Worlds are short-lived: what a bigger nursery takes is never copied. Every processor has a worker already.
      execArgv: [...process.execArgv, '--max-semi-space-size=32', '--single-threaded-gc'],
    });
    let report: Report | undefined;
    child.on('message', (message: Report) => (report = message));
    child.on('error', reject);
    child.on('exit', (code) => {
      if (report !== undefined) resolve(report);
      else reject(new Error(`a worker ended with ${code} and without a report`));
    });
  });
}

async function runAll(from: number, count: number, workers: number): Promise<void> {
  const startMs = performance.now();
  const shares = Array.from({ length: workers }, (_, index) => ({
    from: from + index,
    stride: workers,
    count: Math.ceil((count - index) / workers),
  }));
  const total = emptyReport();
  for (const report of await Promise.all(shares.map(runShare))) addReport(total, report);
  total.violations.sort((a, b) => a.seed - b.seed);
  console.log(formatReport(total, (performance.now() - startMs) / 1000, world));
  const [first] = total.violations;
  if (first === undefined) return;
  process.exitCode = 1;
  await tryAlone(first.seed);
}

/** A copy of the code serves many seeds: what a module keeps of a process that is dead gets in the way of the next. */
async function tryAlone(seed: number): Promise<void> {
  const { violation } = await (await openRun())(seed);
  if (violation !== undefined) return;
  console.log(`seed ${seed} breaks nothing alone: something that an earlier one has left is in its way`);
}

async function replay(seed: number): Promise<void> {
  const result = await (await openRun())(seed, (line) => console.log(line));
  console.log(
    `seed ${seed}: ${result.steps} steps, trace ${result.hash}, ${result.violation ?? 'no violation'}`,
  );
  process.exitCode = result.violation === undefined ? 0 : 1;
}

function numberOf(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Error(`--${name} takes a number, not "${text}"`);
}

if (values.worker !== undefined) {
  // At once, too: the other seeds may take their time.
  const onViolation = ({ seed, violation }: SeedResult): void =>
    console.error(`seed ${seed}: ${violation?.split('\n')[0]}`);
  const report = await runSeeds(await openRun(), JSON.parse(values.worker) as SeedRange, { onViolation });
  process.send?.(report);
} else if (values.replay !== undefined) {
  await replay(numberOf(values.replay, 'replay'));
} else {
  const { seeds, from, workers } = values;
  await runAll(numberOf(from, 'from'), numberOf(seeds, 'seeds'), Math.max(1, numberOf(workers, 'workers')));
}
