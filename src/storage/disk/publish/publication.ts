/** What all steps of publishing share. */
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
import type { FileTimes } from '../tree/file-times.ts';
import type { TakenOverChunks } from '../staging/taken-over.ts';

/** Small files that are complete in the staging folder, though not durable. */
export interface PreparedFiles {
  /** Opened before the first of them was written, so that a syncfs of it tells what went wrong with any. */
  readonly folder: Directory;
  /** Whether an entry is among them. */
  has(entryIndex: number): boolean;
}

/** A transfer whose chunks are all staged, and where it is to go. */
export interface PublishJob {
  /** The root of the store, and the staging folder; both borrowed. */
  readonly root: Directory;
  readonly folder: Directory;
  /** Id of the staging area. */
  readonly id: string;
  readonly native: Native | undefined;
  readonly times: FileTimes;
  readonly modeOf: ModeOf;
  readonly transfer: IncomingTransfer;
  readonly order: PublishOrder;
  readonly digests: ChunkDigests;
  readonly log: CheckpointLog;
  readonly takenOver: TakenOverChunks;
  /** What was prepared while the chunks came; its folder is closed with the publication. */
  readonly ahead: PreparedFiles | undefined;
}

/** A {@link PublishJob} under way. */
export interface Publication extends PublishJob {
  /** Of a stream, too, since its size is known by now. */
  readonly layout: Layout;
  /** Directories of the target, made where they are missing. */
  readonly cursor: DirectoryCursor;
  readonly breathe: () => Promise<void> | undefined;
  /** Makes a whole file system durable; undefined where each file and directory has to be synced by itself. */
  readonly syncFileSystem: ((fd: number) => Promise<void>) | undefined;
  /** The device of the root, and a directory on each other one that something was published to. */
  readonly device: bigint;
  readonly elsewhere: Map<bigint, Directory>;
  /** Paths of directories whose names changed; only kept where they have to be synced one by one. */
  readonly touched: Set<string>;
  /** Directories of the manifest that were missing, where what is there stays as it is. */
  readonly made: Set<number>;
  /** Paths of directories that were made writable for now, those above first, with the modes that they had. */
  readonly opened: Map<string, number>;
  /** What could not be put in its place so far. */
  readonly refused: RefusedEntries;
}

/**
 * Begins to publish. The handles are new ones, or as old as what was prepared ahead, so that syncfs reports what goes wrong
 * with that and nothing that went wrong long ago. End it with {@link endPublication}.
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
    root?.close(); // too many files may be open
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
    refused: new RefusedEntries(manifest.entries, job.order.onRefused),
  };
}

/** Closes what {@link beginPublication} opened. */
export function endPublication({ cursor, folder, root, elsewhere }: Publication): void {
  cursor.close();
  for (const directory of elsewhere.values()) directory.close();
  folder.close();
  root.close();
}

/**
 * Notes where something was published: a sync of the root's file system does not reach what is mounted below it. Before the
 * directory gets its final mode, which may keep its owner from syncing it.
 */
export function noteDevice(publication: Publication, directory: Directory, device: bigint): void {
  const { elsewhere, syncFileSystem } = publication;
  if (syncFileSystem === undefined || device === publication.device || elsewhere.has(device)) return;
  if (directory.isReadable) elsewhere.set(device, directory.reopen());
}

/** Makes all that was published durable, where whole file systems can be. @throws CairnError with a storage code */
export async function syncPublished(publication: Publication): Promise<void> {
  const { root, folder, elsewhere, syncFileSystem } = publication;
  if (syncFileSystem === undefined) return;
  // A root that may only be searched cannot be synced; what is staged lies in the same file system.
  const first = root.isReadable ? root : folder;
  for (const { fd } of [first, ...elsewhere.values()]) await syncFileSystem(fd);
}

/** Entries in order with their index, less those that are left out, and less those of another type than is wanted. */
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

/** Where an entry lands, relative to the root of the store. */
export function targetOf({ transfer }: PublishJob, entry: Entry): string {
  return joinPath(transfer.target, entry.path);
}

/** The size that an entry has in the end; for a stream the one that it turned out to have. */
export function finalSizeOf({ order }: PublishJob, entry: Entry): number {
  return entry.type === 'stream' ? (order.streamSizeBytes ?? 0) : entry.sizeBytes;
}

/** Says which entry was being published when something failed. */
export function publishError(error: unknown, path: string): CairnError {
  const shown = `publishing "${printable(path)}"`;
  if (!(error instanceof CairnError)) return storageError(error, shown);
  if (error.details['path'] !== undefined) return error;
  return new CairnError(error.code, `${shown}: ${error.message}`, {
    cause: error,
    details: { ...error.details, path },
  });
}
