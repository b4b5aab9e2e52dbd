/** The options that push and pull share: words → validated settings → the words again, for resuming. */
import type { BandwidthRate } from '../../client/api/reach.ts';
import { CHUNK_SIZE_RANGE } from '../../manifest/manifest.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';
import { SYNC_MODES, type SyncMode } from '../../session/sync-mode.ts';
import { absolutePath } from '../process/shown-command.ts';
import { parseChoice, parseCount } from './count.ts';
import { COMPRESS_WORDS, DIGESTS } from './choices.ts';
import type { TransferOptions, CompressMode } from '../../client/api/options.ts';
import { parseBandwidth } from './bandwidth-rate.ts';
import { parseDuration } from './duration.ts';
import { tlsWordsOf, type TlsSettings, type TlsWords, tlsSettingsOf } from '../access/client-tls.ts';
import { parseModeChange } from './mode-change.ts';
import { parseSize } from './size.ts';
import { usage } from './usage.ts';

/** The options as commander hands them over. */
export interface TransferWords extends TlsWords {
  readonly parallel?: string;
  readonly chunkSize?: string;
  readonly retryFor?: string;
  readonly checksum?: boolean;
  readonly preserveModes?: boolean;
  /** One for each time that the option was given. */
  readonly chmod?: readonly string[];
  readonly forceReplace?: boolean;
  readonly digest?: string;
  readonly sync?: string;
  readonly bwlimit?: string;
  readonly compress?: string;
  readonly dryRun?: boolean;
  readonly tokenFile?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** False after `--no-progress`. */
  readonly progress?: boolean;
}

/** The options, validated. What was not given stays undefined: the client has its own defaults. */
export interface TransferSettings {
  readonly parallel: number | undefined;
  readonly chunkSizeBytes: number | undefined;
  readonly retryForMs: number;
  /** Whether somebody said how long to wait. */
  readonly isPatient: boolean;
  readonly checksum: boolean;
  readonly preserveModes: boolean;
  readonly chmod: TransferOptions['chmod'];
  readonly forceReplace: boolean;
  readonly digest: DigestAlgorithm | undefined;
  readonly sync: SyncMode | undefined;
  /** As it was written, for the command that resumes, and what it means. */
  readonly bandwidth: { readonly word: string; readonly rateAt: BandwidthRate } | undefined;
  readonly compress: CompressMode | undefined;
  readonly dryRun: boolean;
  readonly tokenFile: string | undefined;
  readonly tls: TlsSettings;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly progress: boolean;
}

/** How long a client waits for a server that is away, without any progress. */
export const DEFAULT_RETRY_FOR_MS = 5 * 60_000;

const PARALLEL_RANGE = { min: 1, max: 64 } as const;

/** Validates the options; `usualRetryFor` is how long this command waits otherwise. @throws CairnError `usage` */
export function settingsOf(words: TransferWords, usualRetryFor?: string): TransferSettings {
  const { parallel, chunkSize, retryFor, digest, sync, bwlimit, compress, tokenFile } = words;
  if (tokenFile === '') throw usage('--token-file takes a path', '--token-file ~/.config/cairn/token');
  return {
    parallel: parallel === undefined ? undefined : parseCount('--parallel', parallel, PARALLEL_RANGE),
    chunkSizeBytes:
      chunkSize === undefined ? undefined : parseSize('--chunk-size', chunkSize, CHUNK_SIZE_RANGE),
    retryForMs: retryForOf(retryFor ?? usualRetryFor),
    isPatient: retryFor !== undefined,
    checksum: words.checksum ?? false,
    preserveModes: words.preserveModes ?? false,
    chmod: chmodOf(words.chmod),
    forceReplace: words.forceReplace ?? false,
    digest: digest === undefined ? undefined : parseChoice('--digest', digest, DIGESTS),
    sync: sync === undefined ? undefined : parseChoice('--sync', sync, SYNC_MODES),
    bandwidth:
      bwlimit === undefined ? undefined : { word: bwlimit, rateAt: parseBandwidth('--bwlimit', bwlimit) },
    compress: compress === undefined ? undefined : parseChoice('--compress', compress, COMPRESS_WORDS),
    dryRun: words.dryRun ?? false,
    tokenFile: tokenFile === undefined ? undefined : absolutePath(tokenFile),
    tls: tlsSettingsOf(words),
    json: words.json ?? false,
    quiet: words.quiet ?? false,
    verbose: words.verbose ?? false,
    progress: words.progress ?? true,
  };
}

function retryForOf(word: string | undefined): number {
  return word === undefined ? DEFAULT_RETRY_FOR_MS : parseDuration('--retry-for', word);
}

function chmodOf(words: readonly string[] | undefined): TransferSettings['chmod'] {
  if (words === undefined) return undefined;
  return { words, change: parseModeChange('--chmod', words, process.umask()) };
}

/**
 * The words that give the same transfer again, whatever the working directory. How it is shown is not among them: that
 * is for whoever resumes it.
 */
export function wordsOf(settings: TransferSettings): string[] {
  const { parallel, chunkSizeBytes, retryForMs, checksum, digest, sync, bandwidth, compress } = settings;
  const { tokenFile, tls, forceReplace, preserveModes, chmod } = settings;
  return [
    ...(parallel === undefined ? [] : ['--parallel', String(parallel)]),
    ...(chunkSizeBytes === undefined ? [] : ['--chunk-size', String(chunkSizeBytes)]),
    ...(retryForMs === DEFAULT_RETRY_FOR_MS ? [] : ['--retry-for', `${retryForMs}ms`]),
    ...(checksum ? ['--checksum'] : []),
    ...(preserveModes ? ['--preserve-modes'] : []),
    ...(chmod?.words ?? []).flatMap((word) => ['--chmod', word]),
    ...(forceReplace ? ['--force-replace'] : []),
    ...(digest === undefined ? [] : ['--digest', digest]),
    ...(sync === undefined ? [] : ['--sync', sync]),
    ...(bandwidth === undefined ? [] : ['--bwlimit', bandwidth.word]),
    ...(compress === undefined ? [] : ['--compress', compress]),
    ...(tokenFile === undefined ? [] : ['--token-file', tokenFile]),
    ...tlsWordsOf(tls),
  ];
}
