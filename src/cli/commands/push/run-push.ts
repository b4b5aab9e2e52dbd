/** `cairn push`. */
import type { ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { TransferOptions } from '../../../client/api/options.ts';
import type { TransferSummary } from '../../../client/api/events.ts';
import { readDescriptor, STDIN } from './descriptor-stream.ts';
import { shownCommand } from '../../process/shown-command.ts';
import { refuseForStreams } from '../../options/transfer-options.ts';
import type { PushValues } from './push-command.ts';
import { planPush, PUSH_EXAMPLE, type PushPlan } from './push-plan.ts';
import { runTransfer } from '../../access/run-client.ts';

/** Sends files, trees, standard input or a program's output to a server. */
export async function runPush(words: readonly string[], values: PushValues): Promise<ExitCode> {
  const plan = planPush(words, values);
  const { source } = plan;
  if (source.kind === 'stdin') return pushDescriptor(plan, STDIN, 'standard input');
  if (source.kind === 'command') {
    const restartAdvice = `cairn: to start over, run: ${shownCommand(plan.resumeCommand)}`;
    return runTransfer({ ...plan, restartAdvice }, (transfer) => pushOutput(source.argv, transfer));
  }
  const [path = ''] = source.paths;
  const fd = source.paths.length === 1 ? await descriptorOf(path) : undefined;
  if (fd === undefined) return runTransfer(plan, (transfer) => pushPaths(source.paths, transfer));
  refuseForStreams(values, PUSH_EXAMPLE);
  return pushDescriptor(plan, fd, `"${printable(path)}"`);
}

async function descriptorOf(path: string): Promise<number | undefined> {
  const { streamAt } = await import('../../../client/transfer/descriptor-path.ts');
  return streamAt(path);
}

async function pushPaths(paths: readonly string[], options: TransferOptions): Promise<TransferSummary> {
  const { push } = await import('../../../client/push.ts');
  return push(paths, options);
}

function pushDescriptor(plan: PushPlan, fd: number, name: string): Promise<ExitCode> {
  const restartAdvice = `cairn: ${name} cannot be read twice; run the whole pipeline again`;
  return runTransfer({ ...plan, restartAdvice }, async (options) => {
    const { pushStream } = await import('../../../client/push-stream.ts');
    return pushStream(readDescriptor(fd, name), options);
  });
}

async function pushOutput(
  argv: readonly [string, ...string[]],
  options: TransferOptions,
): Promise<TransferSummary> {
  const { pushStream } = await import('../../../client/push-stream.ts');
  const { startSourceCommand } = await import('./source-command.ts');
  const command = startSourceCommand(argv);
  try {
    return await pushStream(command.output, options, { beforeCommit: () => command.succeeded() });
  } finally {
    await command.stop();
  }
}
