/** A job, the server that it pushes to, and a state of the client on a disk that can lose its power. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { CliRun } from '../../support/cli.ts';
import { startCuttingProxy } from '../../support/cutting-proxy.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { createPowerDisk, DISK_KINDS, type PowerDisk } from '../power/support/power-disk.ts';
import { writeTree } from '../power/support/trees.ts';
import { whatIsThere } from '../support/invariants.ts';
import { createWorld, type World } from '../support/world.ts';

const MIB = 1024 * 1024;
const BYTES_PER_SECOND = 3 * MIB;
const LARGE_BYTES = 4 * MIB;
/** More runs than any case makes. */
const ALL_RUNS = '1000';

/** A line of `cairn job history --json`, or of `job status --json`. */
export type JobLine = Readonly<Record<string, unknown>>;

/** See {@link createNightScene}. */
export interface NightScene {
  readonly world: World;
  readonly disk: PowerDisk;
  readonly source: string;
  readonly target: string;
  /** Starts the job, which waits so long for a server that is away. */
  run(retryFor: string): CliRun;
  history(): Promise<JobLine[]>;
  status(): Promise<JobLine>;
  /** The record for monitoring; undefined where there is none. */
  lastRun(): JobLine | undefined;
  end(): Promise<void>;
}

/** Makes one. */
export async function createNightScene(): Promise<NightScene> {
  const disk = createPowerDisk(DISK_KINDS[0]!);
  const clientHome = path.join(disk.path, 'home');
  const world = await createWorld({ clientHome });
  disk.sync();
  const [source, config] = [temporaryDirectory(), temporaryDirectory()];
  writeTree(source, LARGE_BYTES);
  const proxy = await startCuttingProxy({ targetPort: world.server.port, bytesPerSecond: BYTES_PER_SECOND });
  onTestFinished(() => proxy.close());
  const to = `http://127.0.0.1:${proxy.port}/home`;
  const job = `[job.home]\nsource = "${source}"\nto = "${to}"\nchunk-size = "64K"\n`;
  mkdirSync(path.join(config, 'cairn'));
  writeFileSync(path.join(config, 'cairn', 'jobs.toml'), job, { mode: 0o600 });
  const env = { XDG_CONFIG_HOME: config };
  return {
    world,
    disk,
    source,
    target: path.join(world.root, 'home'),
    run: (retryFor) =>
      world.start(['job', 'run', 'home'], { env: { ...env, CAIRN_PUSH_RETRY_FOR: retryFor } }),
    history: async () => {
      const { lines } = await world.run(['job', 'history', 'home', '-n', ALL_RUNS], { env });
      return lines.filter(({ type }) => type === 'run');
    },
    status: async () => (await world.run(['job', 'status', 'home'], { env })).lines[0]!,
    lastRun: () =>
      whatIsThere(() => [readFileSync(path.join(clientHome, 'jobs', 'home.json'), 'utf8')]).map(
        (text) => JSON.parse(text) as JobLine,
      )[0],
    end: async () => {
      await world.server.kill();
      await proxy.close();
      await disk.remove();
    },
  };
}

/** The processes that a process has started, which live. */
export function childrenOf(pid: number): number[] {
  return whatIsThere(() =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((word) => word !== '')
      .map(Number),
  );
}
