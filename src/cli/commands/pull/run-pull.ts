/** `cairn pull`: what its words say, and the run. */
import type { ExitCode } from '../../../base/errors.ts';
import { runTransfer, type TransferJob } from '../../access/run-client.ts';
import { looksLikeUrl, parseServerUrl } from '../../options/server-url.ts';
import {
  refuseContradictions,
  refuseForStreams,
  wordsOf,
  type TransferValues,
} from '../../options/transfer-options.ts';
import { usage } from '../../options/usage.ts';
import { refuseClosedStdout, writeToStdout } from '../../process/output.ts';
import { absolutePath } from '../../process/own-command.ts';

/** The settings of one `cairn pull`. */
interface PullJob extends TransferJob {
  readonly destination: { readonly kind: 'path'; readonly path: string } | { readonly kind: 'stdout' };
}

const EXAMPLE = 'cairn pull http://127.0.0.1:7070/photos ~/photos';

/** Fetches a file or a tree from a server, to a path or to standard output. */
export async function runPull(words: readonly string[], values: TransferValues): Promise<ExitCode> {
  const job = pullJobOf(words, values);
  const { destination } = job;
  if (destination.kind === 'path') {
    const { pull } = await import('../../../client/pull.ts');
    return runTransfer(job, (transfer) => pull(destination.path, transfer));
  }
  if (process.stdout.isTTY) {
    throw usage(
      '"-" would write the bytes of the file to the terminal',
      `cairn pull ${job.url.href} - > FILE`,
    );
  }
  refuseClosedStdout();
  const { pullStream } = await import('../../../client/pull-stream.ts');
  // Off a terminal the progress of a pipe's part is only noise in the log of the whole.
  const shown = { ...values, progress: values.progress && process.stderr.isTTY };
  const restartAdvice =
    'cairn: the bytes that were written cannot be taken back; run the whole pipeline again';
  return runTransfer({ ...job, values: shown, restartAdvice }, (transfer) =>
    pullStream(writeToStdout, transfer),
  );
}

/** Validates the words of a pull. @throws CairnError `usage`, `path-unsafe`, … */
export function pullJobOf(words: readonly string[], given: TransferValues): PullJob {
  refuseContradictions(given, EXAMPLE);
  const { backupDir } = given;
  const values = backupDir === undefined ? given : { ...given, backupDir: absolutePath(backupDir) };
  const [urlWord, path, ...more] = words;
  if (urlWord === undefined || path === undefined || more.length > 0) {
    throw usage('pull takes a URL and a destination', EXAMPLE);
  }
  if (!looksLikeUrl(urlWord) && looksLikeUrl(path)) throw usage('the URL comes first in a pull', EXAMPLE);
  const url = parseServerUrl(urlWord);
  const command = ['cairn', 'pull', ...wordsOf(values), url.href];
  if (path !== '-') {
    const destination = { kind: 'path', path } as const;
    return { url, destination, values, resumeCommand: [...command, absolutePath(path)] };
  }
  refuseForStreams(values, EXAMPLE);
  if (values.sync !== undefined)
    throw usage('a pull to "-" keeps nothing on this machine, so --sync does nothing', EXAMPLE);
  if (values.json) throw usage('--json and "-" both need standard output; leave one of them out', EXAMPLE);
  return { url, destination: { kind: 'stdout' }, values, resumeCommand: [...command, '-'] };
}
