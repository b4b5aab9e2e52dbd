/** The demo from beginning to end. Everything that it makes lies in one temporary directory. */
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError } from '../../../base/errors.ts';
import { formatBytes } from '../../../base/byte-text.ts';
import { formatEntries } from '../../screen/wording.ts';
import { compareTrees, measureTree } from './compare-trees.ts';
import { createDemoServer } from './demo-server.ts';
import type { ProcessPool } from './processes.ts';
import { startProxy } from './cutting-proxy.ts';
import type { DemoResult } from './demo-report.ts';
import { makeSampleTree } from './sample-tree.ts';
import { runTroubledTransfer, type TroubledTransfer } from './troubled-transfer.ts';

/** What the demo runs in. */
export interface DemoSetting {
  /** The user's own file or directory; made-up ones, where undefined. */
  readonly path: string | undefined;
  /** An empty directory of the demo's own. */
  readonly workspace: string;
  readonly pool: ProcessPool;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
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

/** Runs the demo. @throws CairnError when something goes wrong that should not */
export async function runDemoIn(setting: DemoSetting): Promise<DemoResult> {
  const { workspace, pool, signal, say } = setting;
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
