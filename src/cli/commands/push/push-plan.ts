/** The words of `push` and `pull` → a plan of what to do. Pure. */
import { withoutUserInfo } from '../../../base/masked.ts';
import { absolutePath } from '../../process/shown-command.ts';
import {
  settingsOf,
  wordsOf,
  type TransferSettings,
  type TransferWords,
} from '../../options/transfer-settings.ts';
import { looksLikeUrl, parseServerUrl } from '../../options/server-url.ts';
import { usage } from '../../options/usage.ts';

/** Where the bytes of a push come from. */
export type PushSource =
  | { readonly kind: 'paths'; readonly paths: readonly string[] }
  | { readonly kind: 'stdin' }
  | { readonly kind: 'command'; readonly argv: readonly [string, ...string[]] };

/** What `cairn push` was told to do. */
export interface PushPlan {
  readonly source: PushSource;
  readonly url: URL;
  readonly settings: TransferSettings;
  /** The command line that does the same again, from any directory. */
  readonly resumeCommand: readonly string[];
}

/** What `cairn pull` was told to do. */
export interface PullPlan {
  readonly url: URL;
  readonly destination: { readonly kind: 'path'; readonly path: string } | { readonly kind: 'stdout' };
  readonly settings: TransferSettings;
  /** The command line that does the same again, from any directory. */
  readonly resumeCommand: readonly string[];
}

const PUSH_EXAMPLE = 'cairn push ~/photos http://127.0.0.1:7070/photos';
const PULL_EXAMPLE = 'cairn pull http://127.0.0.1:7070/photos ~/photos';
const COMMAND_EXAMPLE = 'cairn push --from-command http://127.0.0.1:7070/home.tar -- tar c -C /home .';

/** Validates the words of a push. @throws CairnError `usage`, `path-unsafe`, … */
export function planPush(
  words: readonly string[],
  options: TransferWords & { fromCommand?: boolean },
): PushPlan {
  const settings = settingsOf(options);
  const [source, urlWord] = options.fromCommand ? commandAndUrl(words) : sourceAndUrl(words);
  const url = parseServerUrl(urlWord);
  if (source.kind !== 'paths') refuseForStreams(settings);
  const tail =
    source.kind === 'command'
      ? ['--from-command', url.href, '--', ...source.argv]
      : [...(source.kind === 'stdin' ? ['-'] : source.paths.map(absolutePath)), url.href];
  return { source, url, settings, resumeCommand: ['cairn', 'push', ...wordsOf(settings), ...tail] };
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

/** Validates the words of a pull. @throws CairnError `usage`, `path-unsafe`, … */
export function planPull(words: readonly string[], options: TransferWords): PullPlan {
  const settings = settingsOf(options);
  const [urlWord, path, ...more] = words;
  if (urlWord === undefined || path === undefined || more.length > 0) {
    throw usage('pull takes a URL and a destination', PULL_EXAMPLE);
  }
  if (!looksLikeUrl(urlWord) && looksLikeUrl(path))
    throw usage('the URL comes first in a pull', PULL_EXAMPLE);
  const url = parseServerUrl(urlWord);
  const command = ['cairn', 'pull', ...wordsOf(settings), url.href];
  if (path !== '-') {
    if (path === '') throw usage('the destination is empty', PULL_EXAMPLE);
    return {
      url,
      destination: { kind: 'path', path },
      settings,
      resumeCommand: [...command, absolutePath(path)],
    };
  }
  refuseForStreams(settings, PULL_EXAMPLE);
  if (settings.sync !== undefined)
    throw usage('a pull to "-" keeps nothing on this machine, so --sync does nothing', PULL_EXAMPLE);
  if (settings.json)
    throw usage('--json and "-" both need standard output; leave one of them out', PULL_EXAMPLE);
  return { url, destination: { kind: 'stdout' }, settings, resumeCommand: [...command, '-'] };
}

/** Refuses options that would silently do nothing for a stream. @throws CairnError `usage` */
export function refuseForStreams(settings: TransferSettings, example: string = PUSH_EXAMPLE): void {
  if (settings.dryRun) throw usage('--dry-run does not work for a stream: leave it out', example);
  if (settings.checksum)
    throw usage('--checksum does not work for a stream, which is always sent whole: leave it out', example);
}
