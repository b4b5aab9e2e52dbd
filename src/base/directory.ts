/**
 * Directories held open by descriptor, so that no process can swap one for a symbolic link between check and use.
 *
 * Node has no `openat`. On Linux `/proc/self/fd/N/name` does the same: the kernel starts at the open directory, even
 * after a move, and `O_NOFOLLOW` guards the last step. The calls of the C library, where they are loaded, do it in less
 * time. Elsewhere each use first compares the directory's path with its
 * descriptor, which narrows the race and cannot close it.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  statfsSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import type { AtCalls } from './at-calls.ts';
import {
  DIRECTORY_FLAGS,
  HAS_DESCRIPTOR_PATHS,
  openDescriptor,
  type Opened,
  openError,
} from './directory-descriptor.ts';
import { CairnError, isNoSyncOfDirectories, storageError, systemCodeOf } from './errors.ts';
import type { FileStat, StatAt } from './file-stat.ts';
import { type Inode, type Reserved, reservedError } from './reserved-places.ts';
import { mayBeReservedName, printable, RESERVED_NAME } from './safe-path.ts';

function checkName(name: string | Buffer): void {
  const text = typeof name === 'string' ? name : name.toString('latin1');
  if (text === '' || text === '.' || text === '..' || text.includes('/') || text.includes('\0')) {
    throw new CairnError('path-unsafe', `"${printable(text)}" is not the name of a directory's child`);
  }
}

/** Options of {@link openDirectory}. */
export interface DirectoryOptions {
  /** False forces the method for systems without `/proc/self/fd`. */
  readonly byDescriptor?: boolean;
  /** Directories that no path from here may reach; children inherit them. */
  readonly reserved?: Reserved | undefined;
  /** The faster calls of the C library, once they are loaded; children inherit this. */
  readonly calls?: (() => AtCalls | undefined) | undefined;
}

/** What a directory and its children have in common. */
type Ways = DirectoryOptions & { readonly byDescriptor: boolean };

/** Options for a caller that owns reserved directories. */
export interface ChildOptions {
  readonly isReserved?: boolean;
}

/** An open directory; it reaches its children without following any symbolic link. Close it. */
export class Directory {
  /** The directory's path at the time of opening, for messages only. Not made {@link printable}. */
  readonly displayPath: string;
  readonly reserved: Reserved | undefined;
  /** Whether it can be listed and synced; otherwise its descriptor serves only as a base for paths. */
  readonly isReadable: boolean;
  readonly #ways: Ways;
  #fd: number | undefined;

  /** Takes ownership of `fd`; use {@link openDirectory}. */
  constructor({ fd, isReadable }: Opened, displayPath: string, ways: Ways) {
    this.isReadable = isReadable;
    this.#fd = fd;
    this.displayPath = displayPath;
    this.#ways = ways;
    this.reserved = ways.reserved;
  }

  /** The descriptor. @throws CairnError `internal` after {@link close}: its number may belong to another file by now */
  get fd(): number {
    if (this.#fd === undefined)
      throw new CairnError('internal', `"${printable(this.displayPath)}" is used after close`);
    return this.#fd;
  }

  /**
   * The path to give to `fs` for the direct child `name`; use it at once, and with `O_NOFOLLOW` where that exists. A
   * Buffer is for names that are not UTF-8.
   *
   * @throws CairnError `path-unsafe` when `name` is not one component; `symlink-refused` when the directory is no
   * longer at its path (only where there is no `/proc`)
   */
  at(name: string): string;
  at(name: Buffer): Buffer;
  at(name: string | Buffer): string | Buffer;
  at(name: string | Buffer): string | Buffer {
    checkName(name);
    const base = this.#base();
    return typeof name === 'string' ? `${base}/${name}` : Buffer.concat([Buffer.from(`${base}/`), name]);
  }

  /** The path to give to `fs` for the directory itself; use it at once. @throws CairnError as {@link at} */
  here(): string {
    return this.#base();
  }

  /** The path of the direct child `name`, for messages only. Not made {@link printable}. */
  show(name: string | Buffer): string {
    return join(this.displayPath, name.toString());
  }

  /**
   * Looks at the direct child `name`, without following a symbolic link; undefined where there is none.
   * `statAt` is faster than Node's own call, where this machine has it. Throws system errors, and like {@link at}.
   */
  look(name: string, statAt: StatAt | undefined): FileStat | undefined {
    if (statAt === undefined || !this.#ways.byDescriptor)
      return lstatSync(this.at(name), { bigint: true, throwIfNoEntry: false });
    checkName(name);
    return statAt(this.fd, name);
  }

  /**
   * Opens the direct child `name` with `flags` of open(2), among them `O_NOFOLLOW`; close the descriptor. Throws system
   * errors, and like {@link at}.
   */
  openFile(name: string, flags: number, mode = 0o666): number {
    const calls = this.#callsFor(name);
    return calls === undefined
      ? openSync(this.at(name), flags, mode)
      : calls.open(this.fd, name, flags, mode);
  }

  /** Makes the direct child `name`, a directory with `mode` less the umask. Throws like {@link openFile}. */
  makeDirectory(name: string | Buffer, mode: number): void {
    const calls = this.#callsFor(name);
    if (calls === undefined || typeof name !== 'string') mkdirSync(this.at(name), { mode });
    else calls.makeDirectory(this.fd, name, mode);
  }

  /** Removes the direct child `name`, a file or link. Throws like {@link openFile}. */
  removeFile(name: string): void {
    const calls = this.#callsFor(name);
    if (calls === undefined) unlinkSync(this.at(name));
    else calls.removeFile(this.fd, name);
  }

  /**
   * Opens the child directory `name`.
   *
   * @throws CairnError `not-found`, `not-directory`, `symlink-refused`; `path-reserved` for a {@link Reserved}
   * directory; storage codes
   */
  openChild(name: string | Buffer, { isReserved = false }: ChildOptions = {}): Directory {
    const shown = this.show(name);
    const child = new Directory(this.#openDescriptor(name, shown), shown, this.#ways);
    try {
      const { reserved } = this;
      if (isReserved || reserved === undefined || reserved.isEmpty) return child;
      if (reserved.has(fstatSync(child.fd, { bigint: true })) || this.#isAlias(name))
        throw reservedError(shown);
      return child;
    } catch (error) {
      child.close();
      throw error;
    }
  }

  /** Refuses the child `name` with this `inode` where that is {@link Reserved}. @throws CairnError `path-reserved` */
  refuseReserved(name: string, inode: Inode | undefined): void {
    if (this.reserved === undefined || this.reserved.isEmpty || inode === undefined) return;
    if (this.reserved.has(inode) || this.#isAlias(name)) throw reservedError(this.show(name));
  }

  /**
   * Opens the child directory `name`, or makes it with `mode` (less the umask), durably after {@link sync}.
   *
   * @throws CairnError like {@link openChild}
   */
  makeChild(name: string | Buffer, mode = 0o777, options: ChildOptions = {}): Directory {
    try {
      this.makeDirectory(name, mode);
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST') {
        throw storageError(error, `making the directory "${printable(this.show(name))}"`);
      }
    }
    return this.openChild(name, options);
  }

  /** A second handle on the same directory, to be closed by itself. */
  reopen(): Directory {
    // The last component must not be the magic link itself, which O_NOFOLLOW would refuse.
    const opened = openDescriptor(`${this.#base()}/.`, this.displayPath);
    return new Directory(opened, this.displayPath, this.#ways);
  }

  /**
   * Refuses to go on where {@link displayPath} leads to another directory by now: call it right before using that path.
   *
   * @throws CairnError `symlink-refused`
   */
  checkInPlace(): void {
    const held = fstatSync(this.fd, { bigint: true });
    const found = lstatSync(this.displayPath, { bigint: true, throwIfNoEntry: false });
    if (found?.dev === held.dev && found.ino === held.ino) return;
    throw new CairnError(
      'symlink-refused',
      `"${printable(this.displayPath)}" was moved or replaced while in use`,
    );
  }

  /**
   * Makes the names in this directory durable (fsync), where its file system can.
   *
   * @throws CairnError with a storage code
   */
  sync(): void {
    // A descriptor that only searches cannot be synced.
    if (!this.isReadable) return;
    try {
      fsyncSync(this.fd);
    } catch (error) {
      if (isNoSyncOfDirectories(error)) return;
      throw storageError(error, `syncing the directory "${printable(this.displayPath)}"`);
    }
  }

  /** Bytes that this user can still write in its file system, and bytes in all. @throws CairnError storage codes */
  space(): { freeBytes: number; totalBytes: number } {
    try {
      const { bsize, bavail, blocks } = statfsSync(`${this.#base()}/.`);
      return { freeBytes: bsize * bavail, totalBytes: bsize * blocks };
    } catch (error) {
      throw storageError(error, `asking for the free space at "${printable(this.displayPath)}"`);
    }
  }

  /** Closes the descriptor; a second call does nothing. */
  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) closeSync(fd);
  }

  /**
   * Whether a name is only another spelling of the reserved one: some file systems invent different inode numbers for
   * it. A directory that lists both has two.
   */
  #isAlias(name: string | Buffer): boolean {
    if (typeof name !== 'string' || !mayBeReservedName(name)) return false;
    const names = new Set(readdirSync(this.here()));
    const isThere = lstatSync(this.at(RESERVED_NAME), { throwIfNoEntry: false }) !== undefined;
    return !names.has(name) || (isThere && !names.has(RESERVED_NAME));
  }

  /** The faster calls, for names that are UTF-8. */
  #callsFor(name: string | Buffer): AtCalls | undefined {
    if (!this.#ways.byDescriptor || typeof name !== 'string') return undefined;
    checkName(name);
    return this.#ways.calls?.();
  }

  #openDescriptor(name: string | Buffer, shown: string): Opened {
    const calls = this.#callsFor(name);
    if (calls !== undefined && typeof name === 'string') {
      try {
        return { fd: calls.open(this.fd, name, DIRECTORY_FLAGS, 0), isReadable: true };
      } catch {
        // The way by the path tells why, and knows of directories that may only be searched.
      }
    }
    return openDescriptor(this.at(name), shown);
  }

  #base(): string {
    if (this.#ways.byDescriptor) return `/proc/self/fd/${this.fd}`;
    // Without /proc: a component that was swapped on the way leads to another inode than the open one.
    this.checkInPlace();
    return this.displayPath;
  }
}

/**
 * Opens the directory at `path`, the user's own root. Symbolic links on the way to it are followed, below it never.
 *
 * @throws CairnError `not-found`, `not-directory`, storage codes
 */
export function openDirectory(path: string, options: DirectoryOptions = {}): Directory {
  let real: string;
  try {
    real = realpathSync(path);
  } catch (error) {
    throw openError(error, path, path);
  }
  const byDescriptor = HAS_DESCRIPTOR_PATHS && options.byDescriptor !== false;
  return new Directory(openDescriptor(real, path), real, { ...options, byDescriptor });
}
