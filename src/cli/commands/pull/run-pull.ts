/** `cairn pull`. */
import type { ExitCode } from '../../../base/errors.ts';
import { refuseClosedStdout, writeToStdout } from '../../process/output.ts';
import { planPull } from '../push/push-plan.ts';
import { runTransfer } from '../../access/run-client.ts';
import type { TransferWords } from '../../options/transfer-settings.ts';
import { usage } from '../../options/usage.ts';

/** Fetches a file or a tree from a server, to a path or to standard output. */
export async function runPull(words: readonly string[], options: TransferWords): Promise<ExitCode> {
  const plan = planPull(words, options);
  const { destination } = plan;
  if (destination.kind === 'path') {
    const { pull } = await import('../../../client/pull.ts');
    return runTransfer(plan, (transfer) => pull(destination.path, transfer));
  }
  if (process.stdout.isTTY) {
    throw usage(
      '"-" would write the bytes of the file to the terminal',
      `cairn pull ${plan.url.href} - > FILE`,
    );
  }
  refuseClosedStdout();
  const { pullStream } = await import('../../../client/pull-stream.ts');
  // Off a terminal the progress of a pipe's part is only noise in the log of the whole.
  const settings = { ...plan.settings, progress: plan.settings.progress && process.stderr.isTTY };
  const restartAdvice =
    'cairn: the bytes that were written cannot be taken back; run the whole pipeline again';
  return runTransfer({ ...plan, settings, restartAdvice }, (transfer) => pullStream(writeToStdout, transfer));
}
