/** `cairn push`: what its words say, and the run. */
import type { ExitCode } from '../../../base/errors.ts';
import { withoutUserInfo } from '../../../base/masked.ts';
import { printable } from '../../../base/safe-path.ts';
import type { TransferSummary } from '../../../client/api/events.ts';
import type { TransferOptions } from '../../../client/api/options.ts';
import { runTransfer } from '../../access/run-client.ts';
import { looksLikeUrl, parseServerUrl } from '../../options/server-url.ts';
import {
  refuseContradictions,
  refuseForStreams,
  wordsOf,
  type TransferValues,
} from '../../options/transfer-options.ts';
import { usage } from '../../options/usage.ts';
import { shownCommand, absolutePath } from '../../process/own-command.ts';
import { readDescriptor, STDIN } from './descriptor-stream.ts';
import type { PushValues } from './push-command.ts';

/** Where the bytes of a push come from. */
type PushSource =
  | { readonly kind: 'paths'; readonly paths: readonly string[] }
  | { readonly kind: 'stdin' }
  | { readonly kind: 'command'; readonly argv: readonly [string, ...string[]] };

/** The settings of one `cairn push`. */
export interface PushJob {
  readonly source: PushSource;
  readonly url: URL;
  readonly values: TransferValues;
  /** The command line that does the same again, from any directory. */
  readonly resumeCommand: readonly string[];
}

/** A push that is right. */
const PUSH_EXAMPLE = 'cairn push ~/photos http://127.0.0.1:7070/photos';
const COMMAND_EXAMPLE = 'cairn push --from-command http://127.0.0.1:7070/home.tar -- tar c -C /home .';

/** Sends files, trees, standard input or a program's output to a server. */
export async function runPush(words: readonly string[], values: PushValues): Promise<ExitCode> {
  const job = pushJobOf(words, values);
  const { source } = job;
  if (source.kind === 'stdin') return pushDescriptor(job, STDIN, 'standard input');
  if (source.kind === 'command') {
    const restartAdvice = `cairn: to start over, run: ${shownCommand(job.resumeCommand)}`;
    return runTransfer({ ...job, restartAdvice }, (transfer) => pushOutput(source.argv, transfer));
  }
  const [path = ''] = source.paths;
  const fd = source.paths.length === 1 ? await descriptorOf(path) : undefined;
  if (fd === undefined) return runTransfer(job, (transfer) => pushPaths(source.paths, transfer));
  refuseForStreams(values, PUSH_EXAMPLE);
  return pushDescriptor(job, fd, `"${printable(path)}"`);
}

async function descriptorOf(path: string): Promise<number | undefined> {
  const { streamAt } = await import('../../../client/transfer/descriptor-path.ts');
  return streamAt(path);
}

async function pushPaths(paths: readonly string[], options: TransferOptions): Promise<TransferSummary> {
  const { push } = await import('../../../client/push.ts');
  return push(paths, options);
}

function pushDescriptor(job: PushJob, fd: number, name: string): Promise<ExitCode> {
  const restartAdvice = `cairn: ${name} cannot be read twice; run the whole pipeline again`;
  return runTransfer({ ...job, restartAdvice }, async (options) => {
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

/** Validates the words of a push. @throws CairnError `usage`, `path-unsafe`, … */
export function pushJobOf(words: readonly string[], values: PushValues): PushJob {
  const [source, urlWord] = values.fromCommand ? commandAndUrl(words) : sourceAndUrl(words);
  const url = parseServerUrl(urlWord);
  refuseContradictions(values, PUSH_EXAMPLE);
  if (source.kind !== 'paths') refuseForStreams(values, PUSH_EXAMPLE);
  const tail =
    source.kind === 'command'
      ? ['--from-command', url.href, '--', ...source.argv]
      : [...(source.kind === 'stdin' ? ['-'] : source.paths.map(absolutePath)), url.href];
  return { source, url, values, resumeCommand: ['cairn', 'push', ...wordsOf(values), ...tail] };
}

function commandAndUrl(words: readonly string[]): [PushSource, string] {
  const [url, program, ...rest] = words;
  if (url === undefined || program === undefined) {
    throw usage('push --from-command takes a URL and, after --, the command to run', COMMAND_EXAMPLE);
  }
  return [{ kind: 'command', argv: [program, ...rest] }, url];
}

function sourceAndUrl(words: readonly string[]): [PushSource, string] {
  const paths = words.slice(0, -1);
  const url = words.at(-1);
  if (url === undefined || paths.length === 0) {
    throw usage('push takes at least one source and, last, a URL', PUSH_EXAMPLE);
  }
  const misplaced = paths.find(looksLikeUrl);
  if (misplaced !== undefined) {
    throw usage(
      `the URL comes last in a push, but "${withoutUserInfo(misplaced)}" stands before it`,
      PUSH_EXAMPLE,
    );
  }
  if (!paths.includes('-')) return [{ kind: 'paths', paths }, url];
  if (paths.length > 1)
    throw usage(
      '"-" (standard input) stands alone, without other sources',
      `tar c a b | cairn push - ${PUSH_EXAMPLE.split(' ').at(-1)}`,
    );
  return [{ kind: 'stdin' }, url];
}
