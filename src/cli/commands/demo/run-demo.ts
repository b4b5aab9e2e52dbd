/** `cairn demo`. */
import { rmSync } from 'node:fs';
import { lstat, mkdtemp, mkdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { formatBytes } from '../../../base/byte-text.ts';
import { removeTree } from '../../../base/remove-tree.ts';
import { CairnError, EXIT, storageError, systemCodeOf, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { watchHangup, watchSignals } from '../../process/interruption.ts';
import { printAside } from '../../process/output.ts';
import { formatEntries } from '../../report/wording.ts';
import { compareTrees, measureTree } from './compare-trees.ts';
import { startProxy } from './cutting-proxy.ts';
import { reportLines, type DemoResult } from './demo-report.ts';
import { ProcessPool, createDemoServer } from './processes.ts';
import { makeSampleTree } from './sample-tree.ts';
import { runTroubledTransfer, type TroubledTransfer } from './troubled-transfer.ts';

/** What the demo runs in. */
interface DemoSetting {
  /** The user's own file or directory; made-up ones, where undefined. */
  readonly path: string | undefined;
  /** An empty directory of the demo's own. */
  readonly workspace: string;
  readonly pool: ProcessPool;
  readonly signal: AbortSignal;
}

const PUSH_TROUBLES: TroubledTransfer['troubles'] = [
  { trouble: 'cut', atPercent: 10 },
  { trouble: 'cut', atPercent: 25 },
  { trouble: 'kill-client', atPercent: 40 },
  { trouble: 'cut', atPercent: 55 },
  { trouble: 'kill-server', atPercent: 70 },
  { trouble: 'cut', atPercent: 85 },
];
const PULL_TROUBLES: TroubledTransfer['troubles'] = [
  { trouble: 'cut', atPercent: 20 },
  { trouble: 'kill-client', atPercent: 45 },
  { trouble: 'cut', atPercent: 75 },
];
/** A transfer should last long enough to be cut at every point. */
const TRANSFER_SECONDS = 6;
const LEAST_BYTES_PER_SECOND = 1_000_000;
/** The made-up files, what the server stages and publishes, and what comes back. */
const COPIES = 3;
const RETRY_FOR = '60s';

/** Runs the demo, prints its report, and leaves nothing behind. */
export async function runDemo(word: string | undefined): Promise<ExitCode> {
  const path = word === undefined ? undefined : await existing(word);
  const workspace = await makeWorkspace();
  const pool = new ProcessPool();
  const sweep = (): void => {
    pool.kill();
    rmSync(workspace, { recursive: true, force: true, maxRetries: 5 });
  };
  process.on('exit', sweep);
  const interruption = watchSignals(() => say('stopping and cleaning up'));
  const letHangup = watchHangup(interruption);
  try {
    const result = await runDemoIn({ path, workspace, pool, signal: interruption.signal });
    printAside(reportLines(result).join('\n'));
    return exitCodeOf(result);
  } finally {
    await pool.stop();
    await removeTree(workspace);
    interruption.dispose();
    letHangup();
    process.off('exit', sweep);
  }
}

function exitCodeOf({ comparison, push, pull }: DemoResult): ExitCode {
  if (comparison.differences.length > 0) return EXIT.integrity;
  return push.leftOut.length + pull.leftOut.length > 0 ? EXIT.partial : EXIT.done;
}

async function existing(word: string): Promise<string> {
  const path = resolve(word);
  try {
    await lstat(path);
    return path;
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `looking at "${printable(path)}"`);
    throw new CairnError('source-missing', `there is nothing at "${printable(path)}"`, { cause: error });
  }
}

async function makeWorkspace(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), 'cairn-demo-'));
  } catch (error) {
    throw storageError(error, `making a directory in "${tmpdir()}"`);
  }
}

function say(line: string): void {
  const seconds = (performance.now() / 1000).toFixed(1).padStart(5);
  process.stderr.write(`cairn demo: ${seconds} s  ${line}\n`);
}

/** Runs the demo. @throws CairnError when something goes wrong that should not */
async function runDemoIn(setting: DemoSetting): Promise<DemoResult> {
  const { workspace, pool, signal } = setting;
  const startedAt = performance.now();
  const source = setting.path ?? join(workspace, 'source');
  if (setting.path === undefined) {
    say('making files to move');
    await makeSampleTree(source, signal);
  }
  const { entries, bytes } = await measureTree(source);
  await checkSpace(workspace, bytes * COPIES);

  const root = join(workspace, 'served');
  await mkdir(root);
  const server = createDemoServer(pool, root, { CAIRN_STATE_HOME: join(workspace, 'server-state') });
  await server.start();
  const rate = Math.max(LEAST_BYTES_PER_SECOND, bytes / TRANSFER_SECONDS);
  const proxy = await startProxy(server.port, rate);
  try {
    const stage = { pool, proxy, server, signal, say };
    const common = ['--token-file', server.tokenFile, '--retry-for', RETRY_FOR, '--json'];
    const env = { CAIRN_STATE_HOME: join(workspace, 'client-state') };
    const url = `http://127.0.0.1:${proxy.port}/demo`;
    const copy = join(workspace, 'copy');
    const shared = { env, sizeBytes: bytes };
    say(`pushing ${formatEntries(entries)}, ${formatBytes(bytes)}, through a proxy`);
    const push = await runTroubledTransfer(stage, {
      ...shared,
      direction: 'push',
      args: ['push', ...common, source, url],
      troubles: PUSH_TROUBLES,
    });
    say('pulling them back');
    const pull = await runTroubledTransfer(stage, {
      ...shared,
      direction: 'pull',
      args: ['pull', ...common, url, copy],
      troubles: PULL_TROUBLES,
    });
    say('comparing');
    const leftOut = new Set([...push.leftOut, ...pull.leftOut]);
    const comparison = await compareTrees(source, copy, leftOut, signal);
    return { entries, bytes, push, pull, comparison, durationMs: performance.now() - startedAt };
  } finally {
    await proxy.close();
  }
}

async function checkSpace(workspace: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(workspace);
  if (bavail * bsize >= neededBytes) return;
  throw new CairnError(
    'storage-full',
    `the demo needs ${formatBytes(neededBytes)} in "${workspace}", and ${formatBytes(bavail * bsize)} are free; ` +
      'set TMPDIR to a directory with more room',
  );
}
