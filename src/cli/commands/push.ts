/** `cairn push`. */
import type { ExitCode } from '../../base/errors.ts';
import type { TransferOptions } from '../../client/options.ts';
import type { TransferSummary } from '../../client/events.ts';
import { planPush, type PushPlan } from '../transfer-plan.ts';
import { runTransfer } from '../transfer-run.ts';
import type { TransferWords } from '../transfer-settings.ts';

/** Sends files, trees, standard input or a program's output to a server. */
export async function runPush(
  words: readonly string[],
  options: TransferWords & { fromCommand?: boolean },
): Promise<ExitCode> {
  const plan = planPush(words, options);
  return runTransfer(
    plan.source.kind === 'stdin'
      ? { ...plan, resumeAdvice: 'cairn: standard input cannot be read twice: run the whole pipeline again' }
      : plan,
    (transfer) => push(plan, transfer),
  );
}

async function push({ source }: PushPlan, options: TransferOptions): Promise<TransferSummary> {
  if (source.kind === 'paths') {
    const client = await import('../../client/push.ts');
    return client.push(source.paths, options);
  }
  const { pushStream } = await import('../../client/push-stream.ts');
  if (source.kind === 'stdin') return pushStream(process.stdin, options);
  const { startSourceCommand } = await import('../source-command.ts');
  const command = startSourceCommand(source.argv);
  try {
    return await pushStream(command.output, options, { beforeCommit: () => command.succeeded() });
  } finally {
    await command.stop();
  }
}
