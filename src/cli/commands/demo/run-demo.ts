/** `cairn demo`. */
import { rmSync } from 'node:fs';
import { lstat, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { removeTree } from '../../../base/durable-files.ts';
import { CairnError, EXIT, storageError, systemCodeOf, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { runDemoIn } from './demo-steps.ts';
import { ProcessPool } from './processes.ts';
import { reportLines, type DemoResult } from './demo-report.ts';
import { watchHangup, watchSignals } from '../../process/interruption.ts';
import { printAside } from '../../process/output.ts';

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
    const result = await runDemoIn({ path, workspace, pool, signal: interruption.signal, say });
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
