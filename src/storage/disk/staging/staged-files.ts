/** The files of staged chunks: opened once for all writers, and kept open while they have unsynced bytes. */
import { constants, fstatSync } from 'node:fs';
import { type FileHandle, open, statfs, unlink } from 'node:fs/promises';
import type { Directory } from '../../../base/directory.ts';
import { writeFully, writeFullySync } from '../../../base/durable-files.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import type { Native } from '../../../base/native.ts';
import { zeroRuns } from '../../../base/zero-runs.ts';
import { refuseStranger } from '../../../base/ownership.ts';
import { printable } from '../../../base/safe-path.ts';

const OPEN_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Syncs one open file; `name` is for the message. Throws CairnError. */
export type SyncFile = (handle: FileHandle, name: string) => Promise<void>;

/** A write that took longer than this waited for the disk, and blocked the whole process. */
const SLOW_WRITE_MS = 25;
/** How long writes use the thread pool after a slow one. */
const WRITE_ASIDE_MS = 2000;

/** Types of local file systems (statfs(2)); one of another machine may hang with its network. */
const LOCAL_FILE_SYSTEMS = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x2fc12fc1, // zfs
  0xf2f52010, // f2fs
  0x794c7630, // overlayfs
  0x01021994, // tmpfs
]);

/**
 * Chooses how to write the files of one folder: synchronously while the system takes bytes at memory speed, which costs
 * half of the thread pool's price; in the thread pool for the disk of another machine, and after a write that had to
 * wait for the disk.
 */
class WritePace {
  #asideUntilMs = Infinity;

  /** Finds out the type of the folder's file system; until then all writes use the thread pool. */
  async look(path: string): Promise<void> {
    if (LOCAL_FILE_SYSTEMS.has((await statfs(path)).type)) this.#asideUntilMs = 0;
  }

  /** Writes the pieces; with `punchHole` long runs of zeros become holes. */
  async write(
    handle: FileHandle,
    pieces: readonly Uint8Array[],
    { position, punchHole }: { readonly position: number; readonly punchHole: PunchHole | undefined },
  ): Promise<void> {
    if (punchHole === undefined) return this.#writeAll(handle, pieces, position);
    let at = position;
    for (const piece of pieces) {
      for (const { from, to, isZero } of zeroRuns(piece, at)) {
        // Bytes of an earlier try may be there: a hole takes their place.
        if (isZero && punchHole(handle.fd, at + from, to - from)) continue;
        await this.#writeAll(handle, [piece.subarray(from, to)], at + from);
      }
      at += piece.byteLength;
    }
  }

  async #writeAll(handle: FileHandle, pieces: readonly Uint8Array[], position: number): Promise<void> {
    const startMs = performance.now();
    if (startMs < this.#asideUntilMs) {
      await writeFully(handle, pieces, position);
      return;
    }
    let at = position;
    for (const piece of pieces) at += writeFullySync(handle.fd, piece, at);
    const endMs = performance.now();
    if (endMs - startMs > SLOW_WRITE_MS) this.#asideUntilMs = endMs + WRITE_ASIDE_MS;
  }
}

/** Makes a hole in an open file; false where its file system has none. */
type PunchHole = Native['punchHole'];

/** One file that is being written. Only {@link StagedFiles} makes it. */
export class StagedFile {
  readonly name: string;
  readonly opening: Promise<FileHandle>;
  /** Whether the file is temporary, so that it need not be durable. */
  readonly isScratch: boolean;
  users = 0;
  /** Whether the file has bytes that no sync has begun to cover. */
  isDirty = false;
  /** The error after which no byte written since the last sync can be trusted. */
  failure: CairnError | undefined;
  readonly #pace: WritePace;
  readonly #punchHole: PunchHole | undefined;

  /** Takes ownership of the handle that `opening` gives. With `punchHole` the file has its final size already. */
  constructor(
    name: string,
    opening: Promise<FileHandle>,
    pace: WritePace,
    { isScratch, punchHole }: { readonly isScratch: boolean; readonly punchHole: PunchHole | undefined },
  ) {
    this.name = name;
    this.opening = opening;
    this.isScratch = isScratch;
    this.#pace = pace;
    this.#punchHole = punchHole;
  }

  /** Writes all `pieces` at `position`. @throws CairnError with a storage code */
  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const handle = await this.opening;
    this.isDirty = !this.isScratch;
    try {
      await this.#pace.write(handle, pieces, { position, punchHole: this.#punchHole });
    } catch (error) {
      throw storageError(error, `writing staged data to "${printable(this.name)}"`);
    } finally {
      // A sync that began meanwhile may not cover these bytes.
      this.isDirty = !this.isScratch && this.failure === undefined;
    }
    if (this.failure !== undefined) throw this.failure;
  }
}

/** The open files of one staging folder. Close it. */
export class StagedFiles {
  /** Whether the folder may have a new name that no sync covers; at first, from an interrupted run. */
  isFolderDirty = true;
  readonly #folder: Directory;
  readonly #files = new Map<string, StagedFile>();
  readonly #pace = new WritePace();
  #looked: Promise<void> | undefined;
  readonly #onPoison: (name: string) => void;
  readonly #punchHole: PunchHole | undefined;

  /**
   * Borrows the open `folder`; calls `onPoison` at once for a file whose bytes can no longer be trusted. With `punchHole`
   * it makes holes in files of a known size.
   */
  constructor(folder: Directory, onPoison: (name: string) => void, punchHole?: PunchHole) {
    this.#punchHole = punchHole;
    this.#folder = folder;
    this.#onPoison = onPoison;
  }

  /** Number of files that only wait for a sync. */
  countWaiting(): number {
    let count = 0;
    for (const file of this.#files.values()) if (file.isDirty && file.users === 0) count += 1;
    return count;
  }

  /**
   * Opens, makes or shares a file; {@link release} it.
   *
   * @param sizeBytes its final size, where that is known
   * @throws CairnError with a storage code
   */
  async acquire(name: string, isScratch = false, sizeBytes?: number): Promise<StagedFile> {
    let file = this.#files.get(name);
    if (file === undefined) {
      const punchHole = sizeBytes === undefined || isScratch ? undefined : this.#punchHole;
      const opening = punchHole === undefined ? this.#open(name) : this.#openSized(name, sizeBytes!);
      file = new StagedFile(name, opening, this.#pace, { isScratch, punchHole });
      this.#files.set(name, file);
    }
    file.users += 1;
    try {
      await file.opening;
      return file;
    } catch (error) {
      if (this.#files.get(name) === file) this.#files.delete(name);
      throw storageError(error, `opening staged data "${printable(this.#folder.show(name))}"`);
    }
  }

  /** Releases a file; it stays open while it is dirty. */
  async release(file: StagedFile): Promise<void> {
    file.users -= 1;
    await this.#closeIfIdle(file);
  }

  /**
   * Files with bytes that no sync covers; they count as clean from now on. The caller syncs them and then calls
   * {@link releaseAll}: until then they stay open, even after their last writer.
   */
  takeDirty(): StagedFile[] {
    const dirty = [...this.#files.values()].filter((file) => file.isDirty);
    for (const file of dirty) {
      file.isDirty = false;
      file.users += 1;
    }
    return dirty;
  }

  /** A sync failed: the next writer gets a new descriptor, those with the old one get the error. */
  poison(file: StagedFile, error: CairnError): void {
    file.failure = error;
    file.isDirty = false;
    if (this.#files.get(file.name) === file) this.#files.delete(file.name);
    this.#onPoison(file.name);
  }

  /** Releases the files that {@link takeDirty} answered. */
  async releaseAll(files: readonly StagedFile[]): Promise<void> {
    for (const file of files) await this.release(file);
  }

  /** Removes a temporary file that is not in use any more. @throws CairnError with a storage code */
  async remove(name: string): Promise<void> {
    try {
      await unlink(this.#folder.at(name));
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `removing staged data "${name}"`);
    }
  }

  /** Closes all files, even those in use. */
  async close(): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    for (const file of files) {
      file.users = 0;
      await closeHandle(file);
    }
  }

  async #closeIfIdle(file: StagedFile): Promise<void> {
    if (file.users > 0 || file.isDirty) return;
    if (this.#files.get(file.name) === file) this.#files.delete(file.name);
    // Close only once, when the count first reaches 0; a poisoned file is in no map any more.
    if (file.users === 0) {
      file.users = -1;
      await closeHandle(file);
    }
  }

  async #open(name: string): Promise<FileHandle> {
    const path = this.#folder.at(name);
    this.#looked ??= this.#pace.look(this.#folder.here());
    await this.#looked;
    try {
      return await this.#openThere(name);
    } catch (error) {
      if (systemCodeOf(error) !== 'ENOENT') throw error;
    }
    const handle = await open(path, OPEN_FLAGS | constants.O_CREAT | constants.O_EXCL, 0o600);
    this.isFolderDirty = true;
    return handle;
  }

  /** Opens a file with its final size: a hole at its end would otherwise leave it too short. */
  async #openSized(name: string, sizeBytes: number): Promise<FileHandle> {
    const handle = await this.#open(name);
    try {
      if ((await handle.stat()).size < sizeBytes) await handle.truncate(sizeBytes);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #openThere(name: string): Promise<FileHandle> {
    const handle = await open(this.#folder.at(name), OPEN_FLAGS);
    try {
      const stat = fstatSync(handle.fd);
      refuseStranger(stat, this.#folder.show(name));
      // An interrupted commit may have added it at its final path, where a whole file stays as it is.
      if (stat.nlink > 1) throw new CairnError('chunk-conflict', `"${printable(name)}" is published already`);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }
}

async function closeHandle(file: StagedFile): Promise<void> {
  const handle = await file.opening.catch(() => undefined); // its opener got the error
  await handle?.close();
}
