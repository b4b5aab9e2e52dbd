/** The state that all steps of publishing share. */
import { fstatSync } from 'node:fs';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, storageError } from '../../../base/errors.ts';
import type { Native } from '../../../base/native.ts';
import { joinPath, printable } from '../../../base/safe-path.ts';
import type { CheckpointLog } from '../../../checkpoint/checkpoint-log.ts';
import type { ChunkDigests } from '../../../checkpoint/chunk-digests.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import { createLayout, isStream, type Layout } from '../../../manifest/layout.ts';
import type { ModeOf } from '../../../manifest/modes.ts';
import type { IncomingTransfer, PublishOrder } from '../../content-store.ts';
import { RefusedEntries } from '../../../transfer/refused-entries.ts';
import { createBreather } from '../../../base/breather.ts';
import type { MetadataSetter } from './set-metadata.ts';
import type { FileTimes } from '../tree/file-times.ts';
import { type Backup, openBackup } from './backup.ts';
import { createReplacedFiles, type ReplacedFiles } from './replaced-files.ts';
import type { NewTrees } from '../staging/new-trees.ts';
import type { TakenOverChunks } from '../staging/taken-over.ts';
import { WholeTrees } from './whole-trees.ts';

/** The rights of an owner. */
export const OWNER_BITS = 0o700;

/** Small files that are complete in the staging folder, though not durable. */
export interface PreparedFiles {
  /** Opened before the first of them was written, so that its syncfs reports a write-back error of any of them. */
  readonly folder: Directory;
  /** New directories; their files are in their trees, and not in the folder itself. */
  readonly trees: NewTrees;
  /** Whether an entry is among them. */
  has(entryIndex: number): boolean;
}

/** A transfer whose chunks are all staged, and its destination. */
export interface PublishJob {
  /** The root of the store, and the staging folder; both borrowed. */
  readonly root: Directory;
  readonly folder: Directory;
  /** The directory for backups, where it is not below the root; borrowed. */
  readonly backupRoot?: Directory | undefined;
  /** Id of the staging area. */
  readonly id: string;
  readonly native: Native | undefined;
  readonly times: FileTimes;
  readonly modeOf: ModeOf;
  /** Undefined where the manifest carries no metadata. */
  readonly metadata: MetadataSetter | undefined;
  /** Whether long runs of zeros become holes. */
  readonly isSparse: boolean;
  readonly transfer: IncomingTransfer;
  readonly order: PublishOrder;
  readonly digests: ChunkDigests;
  readonly log: CheckpointLog;
  readonly takenOver: TakenOverChunks;
  /** Files that were prepared while the chunks arrived; the publication closes their folder at its end. */
  readonly ahead: PreparedFiles | undefined;
}

/** A {@link PublishJob} that runs. */
export interface Publication extends PublishJob {
  /** Also for a stream, since its size is known now. */
  readonly layout: Layout;
  /** The directories of the target; makes missing ones. */
  readonly cursor: DirectoryCursor;
  readonly breathe: () => Promise<void> | undefined;
  /** Makes a whole file system durable; undefined where each file and directory is synced by itself. */
  readonly syncFileSystem: ((fd: number) => Promise<void>) | undefined;
  /** The device of the root; `elsewhere`: a directory on each other device that has published entries. */
  readonly device: bigint;
  readonly elsewhere: Map<bigint, Directory>;
  /** Paths of directories whose names changed; kept only where they are synced one by one. */
  readonly touched: Set<string>;
  /** Directories of the manifest that were missing, where existing ones stay as they are. */
  readonly made: Set<number>;
  /** Paths of directories that publishing has made writable for now, parents first, with their earlier modes. */
  readonly opened: Map<string, number>;
  readonly replaced: ReplacedFiles;
  /** New directories, which are published whole. */
  readonly whole: WholeTrees;
  /** The refused entries so far. */
  readonly refused: RefusedEntries;
  /** Entries that replace a directory once the entries in it are removed. */
  readonly deferred: Set<number>;
  /** Where replaced and removed entries are kept; undefined where they are not. */
  readonly backup: Backup | undefined;
}

/**
 * Begins to publish. The handles are new, or as old as the files prepared ahead, so that syncfs reports write-back
 * errors of these files and no earlier ones. End it with {@link endPublication}.
 */
export function beginPublication(job: PublishJob): Publication {
  const { manifest, layout } = job.transfer;
  const { streamSizeBytes } = job.order;
  if (isStream(manifest) && streamSizeBytes === undefined && !job.order.isExcluded(0)) {
    throw new CairnError('internal', 'a stream is published without its size');
  }
  const syncFileSystem = job.native?.syncFileSystem;
  let root: Directory | undefined;
  let folder = job.ahead?.folder;
  try {
    root = job.root.reopen();
    folder ??= job.folder.reopen();
  } catch (error) {
    root?.close(); // the process may have too many open files
    folder?.close();
    throw error;
  }
  return {
    ...job,
    root,
    folder,
    layout: isStream(manifest) ? createLayout(manifest, { streamSizeBytes: streamSizeBytes ?? 0 }) : layout,
    cursor: new DirectoryCursor(root, { create: true, sync: syncFileSystem === undefined }),
    breathe: createBreather(),
    syncFileSystem,
    device: fstatSync(root.fd, { bigint: true }).dev,
    elsewhere: new Map(),
    touched: new Set(),
    made: new Set(),
    opened: new Map(),
    replaced: createReplacedFiles(),
    whole: new WholeTrees(),
    refused: new RefusedEntries(manifest.entries, job.order.onRefused),
    deferred: new Set(),
    backup: openBackup(job.backupRoot ?? root, job.order.backup),
  };
}

/** Closes the handles of {@link beginPublication}. */
export function endPublication(publication: Publication): void {
  const { cursor, folder, root, elsewhere, backup, replaced, whole, ahead } = publication;
  replaced.letGo();
  cursor.close();
  whole.trees?.close();
  ahead?.trees.close();
  backup?.cursor.close();
  for (const directory of elsewhere.values()) directory.close();
  folder.close();
  root.close();
}

/**
 * Notes the device of a published entry: a sync of the root's file system does not cover mounts below it. Call it
 * before the directory gets its final mode, which may keep its owner from syncing it.
 */
export function noteDevice(publication: Publication, directory: Directory, device: bigint): void {
  const { elsewhere, syncFileSystem } = publication;
  if (syncFileSystem === undefined || device === publication.device || elsewhere.has(device)) return;
  if (directory.isReadable) elsewhere.set(device, directory.reopen());
}

/** Makes all published entries durable, where whole file systems can be synced. @throws CairnError storage codes */
export async function syncPublished(publication: Publication): Promise<void> {
  const { root, folder, elsewhere, syncFileSystem } = publication;
  if (syncFileSystem === undefined) return;
  // A root that may only be searched cannot be synced; the staging folder lies in the same file system.
  const first = root.isReadable ? root : folder;
  for (const { fd } of [first, ...elsewhere.values()]) await syncFileSystem(fd);
}

/** Entries of the wanted types in order, with their index, without excluded and refused ones. */
export function* publishedEntries(
  { transfer, order, refused }: Publication,
  isWanted: (type: EntryType, index: number) => boolean,
): Generator<[index: number, entry: Entry]> {
  const { entries } = transfer.manifest;
  for (let index = 0; index < entries.length; index += 1) {
    if (!isWanted(entries.typeOf(index), index) || order.isExcluded(index) || refused.has(index)) continue;
    yield [index, entries.at(index)!];
  }
}

/** The mode that a new directory has until the end: with the rights that its owner needs meanwhile. */
export function firstModeOf({ modeOf }: Pick<PublishJob, 'modeOf'>, entry: Entry): number {
  return modeOf(entry, undefined) | OWNER_BITS;
}

/** Where an entry lands, relative to the root of the store. */
export function targetOf({ transfer }: PublishJob, entry: Entry): string {
  return joinPath(transfer.target, entry.path);
}

/** The final size of an entry; for a stream its real size. */
export function finalSizeOf({ order }: PublishJob, entry: Entry): number {
  return entry.type === 'stream' ? (order.streamSizeBytes ?? 0) : entry.sizeBytes;
}

/** Adds the path of the entry to an error of publishing it. */
export function publishError(error: unknown, path: string): CairnError {
  const shown = `publishing "${printable(path)}"`;
  if (!(error instanceof CairnError)) return storageError(error, shown);
  if (error.details['path'] !== undefined) return error;
  return new CairnError(error.code, `${shown}: ${error.message}`, {
    cause: error,
    details: { ...error.details, path },
  });
}
