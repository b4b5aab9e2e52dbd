/** The options of push and pull: what they say, and the words that say it again for a run that resumes. */
import type { Command } from 'commander';
import type { BandwidthRate } from '../../client/api/reach.ts';
import type { CompressMode, MaxDelete, TransferOptions } from '../../client/api/options.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';
import { SYNC_MODES } from '../../session/sync-mode.ts';
import { parseBandwidth } from './bandwidth-rate.ts';
import {
  accessWordsOf,
  addClientOptions,
  retryWordsOf,
  USUAL_RETRY_FOR,
  type ClientValues,
} from './client-options.ts';
import { parseCount, parseSize } from './quantities.ts';
import { isAboutMetadata, METADATA, metadataOf } from './metadata-options.ts';
import { parseModeChange } from './mode-change.ts';
import { addOptions, choice, flag, GROUPS, list, ofOneRun, text, value, type ValuesOf } from './option.ts';
import {
  addSelectionOptions,
  isSelecting,
  selectionOf,
  selectionWordsOf,
  type SelectionValues,
} from './selection-options.ts';
import { usage } from './usage.ts';
import { wordsAgain } from './words-again.ts';

/** Unless the user says otherwise: more is a mistake more often than a wish. */
const USUAL_MAX_DELETE: MaxDelete = { percent: 50 };
const PARALLEL_RANGE = { min: 1, max: 64 } as const;
/** Not the client's own lists, whose modules load what hashes and compresses. */
const DIGESTS = ['xxh64', 'sha256'] as const satisfies readonly DigestAlgorithm[];
const COMPRESS_WORDS = ['auto', 'always', 'never'] as const satisfies readonly CompressMode[];

const DRY_RUN = ofOneRun({
  dryRun: flag('-n, --dry-run', 'print what would happen to each entry, and change nothing'),
});
const WHAT = {
  ...DRY_RUN,
  checksum: flag('--checksum', 'compare contents instead of size and modification time'),
  wholeFile: flag('--whole-file', 'carry changed files whole, not only the parts that the older ones lack'),
  forceReplace: flag('--force-replace', 'replace a directory with everything in it by a file or link'),
  delete: flag('--delete', 'delete at the destination what the source does not have, after everything else'),
  maxDelete: value(
    '--max-delete <n>',
    'delete nothing where that would be more: a number, or a part of the entries there (default: 50%)',
    parseMaxDelete,
  ),
  backupDir: text(
    '--backup-dir <dir>',
    'keep replaced and deleted files in another directory of the receiver (of a push: an absolute path at the server)',
  ),
  deleteAnyway: flag('--delete-anyway', 'delete also where entries of the source could not be read'),
  preserveModes: flag(
    '--preserve-modes',
    'also keep write bits that the umask of the receiver denies, and set-group-id of directories',
  ),
  chmod: list(
    '--chmod <changes>',
    'change modes on the way, as chmod and rsync do: D755,F644 or go-w,a+X',
    (option, words): NonNullable<TransferOptions['chmod']> => ({
      words,
      change: parseModeChange(option, words, process.umask()),
    }),
  ),
};
const HOW = {
  parallel: value(
    '--parallel <n>',
    'chunks on their way at a time, 1 to 64 (default: as many as the connection can use, up to 48)',
    (option, word) => parseCount(option, word, PARALLEL_RANGE),
  ),
  chunkSize: value(
    '--chunk-size <size>',
    'bytes of a chunk, 64K to 64M (default: 1M to 8M, by the size of the transfer; 2M for a pipe)',
    parseChunkSize,
  ),
  digest: choice(
    '--digest <name>',
    'xxh64 (default, finds accidents) or sha256 (where the other side is not trusted)',
    DIGESTS,
  ),
  sync: choice(
    '--sync <mode>',
    'when the receiver makes bytes durable: always (each chunk), group (every half second) or close (at the end)',
    SYNC_MODES,
  ),
  bwlimit: value(
    '--bwlimit <rate>',
    'most bytes a second, of all connections together: 10M, or by the time of day: "08:00,1M 19:00,off"',
    (option, word): { readonly word: string; readonly rateAt: BandwidthRate } => ({
      word,
      rateAt: parseBandwidth(option, word),
    }),
  ),
  compress: choice(
    '--compress <when>',
    'compress chunks that shrink: auto (default: where the connection is slow), always or never',
    COMPRESS_WORDS,
  ),
};
const VERBOSE = ofOneRun({ verbose: flag('-v, --verbose', 'print the name of each file once it is done') });

const OWN = { ...WHAT, ...METADATA, ...HOW, ...VERBOSE };

/** What a user says of a transfer. What was not said stays undefined: the client has its own defaults. */
export type TransferValues = ClientValues & SelectionValues & ValuesOf<typeof OWN>;

/** Adds what push and pull share; `isLocal`: the tree that is selected from is on this machine. */
export function addTransferOptions(command: Command, { isLocal }: { isLocal: boolean }): Command {
  const what = addSelectionOptions(addOptions(command, GROUPS.what, WHAT), { isLocal });
  const transfer = addOptions(addOptions(what, GROUPS.metadata, METADATA), GROUPS.how, HOW);
  return addOptions(addClientOptions(transfer, USUAL_RETRY_FOR), GROUPS.output, VERBOSE);
}

/** A number of entries, or a percentage. @throws CairnError `usage` naming `option` */
function parseMaxDelete(option: string, word: string): MaxDelete & { readonly word: string } {
  const [, digits = '', percent] = /^(\d{1,9})(%?)$/.exec(word) ?? [];
  const count = digits === '' ? Number.NaN : Number(digits);
  if (percent === '' && count >= 0) return { entries: count, word };
  if (percent === '%' && count <= 100) return { percent: count, word };
  throw usage(`${option} takes a number of entries, or 0% to 100%, not "${word}"`, `${option} 1000`);
}

async function parseChunkSize(option: string, word: string): Promise<number> {
  const { CHUNK_SIZE_RANGE } = await import('../../manifest/manifest.ts');
  return parseSize(option, word, CHUNK_SIZE_RANGE);
}

/** What values set of the client's options. @throws CairnError `usage` */
type Sets = (values: TransferValues) => Partial<TransferOptions>;

const metadata: Sets = (values) => {
  const kinds = metadataOf(values);
  return kinds.length === 0 ? {} : { metadata: kinds };
};
const modes: Sets = ({ preserveModes, archive }) => ({ preserveModes: preserveModes || archive });
const mirror: Sets = ({ delete: deletes, maxDelete = USUAL_MAX_DELETE, deleteAnyway }) =>
  deletes ? { mirror: { maxDelete, isAnyway: deleteAnyway } } : {};
/** Of an option that the client is told as it is, where it was given. */
const as =
  <Name extends keyof TransferOptions>(
    name: Name,
    valueIn: (values: TransferValues) => TransferOptions[Name] | undefined,
  ): Sets =>
  (values) => {
    const given = valueIn(values);
    return given === undefined ? {} : { [name]: given };
  };

/** For each option what it sets: one that is missing here does not compile. */
const SETS: Readonly<Record<keyof typeof OWN, Sets>> = {
  dryRun: as('dryRun', (values) => values.dryRun),
  checksum: as('checksum', (values) => values.checksum),
  wholeFile: as('wholeFiles', (values) => values.wholeFile),
  forceReplace: as('forceReplace', (values) => values.forceReplace),
  delete: mirror,
  maxDelete: mirror,
  deleteAnyway: mirror,
  backupDir: as('backupDirectory', (values) => values.backupDir),
  preserveModes: modes,
  chmod: as('chmod', (values) => values.chmod),
  archive: (values) => ({ ...modes(values), ...metadata(values) }),
  owner: metadata,
  group: metadata,
  numericIds: metadata,
  xattrs: metadata,
  acls: metadata,
  hardLinks: metadata,
  sparse: metadata,
  // Whether less is kept than that is judged by the summary, once the transfer is done.
  strictMetadata: metadata,
  parallel: as('parallel', (values) => values.parallel),
  chunkSize: as('chunkSizeBytes', (values) => values.chunkSize),
  digest: as('digest', (values) => values.digest),
  sync: as('sync', (values) => values.sync),
  bwlimit: as('bandwidth', (values) => values.bwlimit?.rateAt),
  compress: as('compress', (values) => values.compress),
  verbose: ({ verbose, quiet }) => ({ namesEntries: verbose && !quiet }),
};

/** The options of the client that the values set. @throws CairnError `usage` */
export async function transferOptionsOf(values: TransferValues): Promise<Partial<TransferOptions>> {
  const selection = await selectionOf(values);
  const sets = Object.values(SETS).map((each) => each(values));
  return Object.assign({}, ...sets, selection === undefined ? {} : { selection }) as Partial<TransferOptions>;
}

/**
 * The words that give the same transfer again, from any working directory. How it is shown is not among them: the user who
 * resumes it decides that.
 */
export function wordsOf(values: TransferValues): string[] {
  return [
    ...wordsAgain(OWN, values),
    ...selectionWordsOf(values),
    ...retryWordsOf(values),
    ...accessWordsOf(values),
  ];
}

/** Refuses options that contradict each other. @throws CairnError `usage` */
export function refuseContradictions(values: TransferValues, example: string): void {
  if (values.backupDir === undefined || !values.forceReplace) return;
  throw usage('--force-replace removes directories without a backup: leave it or --backup-dir out', example);
}

/** Refuses options that would silently do nothing for a stream. @throws CairnError `usage` */
export function refuseForStreams(values: TransferValues, example: string): void {
  if (values.dryRun) throw usage('--dry-run does not work for a stream: leave it out', example);
  if (isSelecting(values))
    throw usage('a stream has no entries to select: leave rules, lists and bounds out', example);
  if (isAboutMetadata(values))
    throw usage('--archive and its parts do not work for a stream: leave them out', example);
  if (values.backupDir !== undefined)
    throw usage('--backup-dir does not work for a stream: leave it out', example);
  if (values.delete)
    throw usage('--delete does not work for a stream: it is for directories; leave it out', example);
  if (values.checksum)
    throw usage('--checksum does not work for a stream, which is always sent whole: leave it out', example);
}
