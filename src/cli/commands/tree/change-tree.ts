/** `cairn rm`, `cairn mv` and `cairn mkdir`. */
import type { ReachOptions } from '../../../client/api/reach.ts';
import { CairnError, EXIT, type ErrorCode, type ExitCode } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { errorObject, failureOf } from '../../process/failure.ts';
import { print } from '../../process/output.ts';
import { jsonLine } from '../../report/json-line.ts';
import { NO_LINES, runClient } from '../../access/run-client.ts';
import type { ClientValues } from '../../options/client-options.ts';
import { parseServerUrl } from '../../options/server-url.ts';
import { usage } from '../../options/usage.ts';
import type { MkdirValues, MvValues, RmValues } from './tree-commands.ts';

/** Removes the file or tree at each URL; one that cannot be removed does not stop the others. */
export async function runRm(words: readonly string[], values: RmValues): Promise<ExitCode> {
  const { remove } = await import('../../../client/change-published.ts');
  return forEach('rm', words, values, async (reach) => {
    try {
      await remove(reach, { recursive: values.recursive });
      return true;
    } catch (error) {
      if (values.force && error instanceof CairnError && error.code === 'not-found') return false;
      throw error;
    }
  });
}

/** Makes a directory at each URL. */
export async function runMkdir(words: readonly string[], values: MkdirValues): Promise<ExitCode> {
  const { makeDirectory } = await import('../../../client/change-published.ts');
  return forEach('mkdir', words, values, async (reach) => {
    await makeDirectory(reach, { parents: values.parents });
    return true;
  });
}

/** Moves the file or directory at one URL to another. */
export async function runMv(from: string, to: string, values: MvValues): Promise<ExitCode> {
  const target = parseServerUrl(to);
  const { move } = await import('../../../client/change-published.ts');
  return forEach('mv', [from], values, async (reach) => {
    await move(reach, target, { replace: values.force });
    return true;
  });
}

/**
 * Changes one URL after the other; answers the exit code of the first that failed.
 *
 * @param act answers whether something was changed
 */
async function forEach(
  command: string,
  words: readonly string[],
  values: ClientValues,
  act: (reach: ReachOptions) => Promise<boolean>,
): Promise<ExitCode> {
  if (words.length === 0)
    throw usage(`cairn ${command} takes at least one URL`, `cairn ${command} http://127.0.0.1:7070/old`);
  const urls = words.map((word) => parseServerUrl(word));
  let first: { readonly code: ErrorCode; readonly exitCode: ExitCode } | undefined;
  let [changed, failed] = [0, 0];
  for (const url of urls) {
    const resumeCommand = ['cairn', command, url.href];
    const job = { url, values: { ...values, progress: false }, resumeCommand };
    try {
      const { result } = await runClient(job, NO_LINES, act);
      if (result) changed += 1;
    } catch (error) {
      // The edge of the process shows the only one, as for any command.
      if (urls.length === 1) throw error;
      const failure = failureOf(error, command);
      if (failure.exitCode === EXIT.interrupted || failure.exitCode === EXIT.terminated) throw error;
      first ??= failure;
      failed += 1;
      for (const line of failure.lines) process.stderr.write(`cairn: ${printable(url.pathname)}: ${line}\n`);
      if (values.json) print(jsonLine({ ...errorObject(failure), type: 'warning', path: url.pathname }));
    }
  }
  const { code, exitCode } = first ?? { code: 'ok', exitCode: EXIT.done };
  if (values.json) print(jsonLine({ type: 'summary', changed, failed, code, exitCode }));
  return exitCode;
}
