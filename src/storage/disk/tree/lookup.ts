/** Looks up single paths, most of them neighbours. */
import { fstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { kindOf, type StatAt } from '../../../base/file-stat.ts';
import { checkRelativePath, printable } from '../../../base/safe-path.ts';
import type { ScannedEntry } from '../../../manifest/entry.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import { foundEntry } from './found-entry.ts';
import type { AddMetadata } from './read-metadata.ts';

/** The parent of a path, and its last name; '' is its own parent. */
export function splitPath(path: string): { parent: string; name: string } {
  const slash = path.lastIndexOf('/');
  return slash < 0
    ? { parent: '', name: path }
    : { parent: path.slice(0, slash), name: path.slice(slash + 1) };
}

/** Finds entries below a root; fastest when the paths come in canonical order. Close it. */
export class PathFinder {
  readonly #root: Directory;
  readonly #statAt: StatAt | undefined;
  readonly #cursor: DirectoryCursor;
  readonly #addMetadata: AddMetadata | undefined;
  /** A directory that does not exist: the finder need not look below it. */
  #missing: string | undefined;

  /** Borrows `root`. */
  constructor(root: Directory, statAt?: StatAt, addMetadata?: AddMetadata) {
    this.#root = root;
    this.#statAt = statAt;
    this.#cursor = new DirectoryCursor(root);
    this.#addMetadata = addMetadata;
  }

  /**
   * The entry at `path`; undefined where there is none, also below an entry that is no directory.
   *
   * @throws CairnError `symlink-refused`; `storage-unsupported` for a FIFO, socket or device; path and storage codes
   */
  find(path: string): ScannedEntry | undefined {
    checkRelativePath(path);
    if (path === '') return this.#findRoot();
    const { parent, name } = splitPath(path);
    if (this.#isMissing(parent)) return undefined;
    try {
      return this.#findIn(this.#cursor.enter(parent), name, path);
    } catch (error) {
      if (!isAbsence(error)) throw storageError(error, `looking up "${printable(path)}"`);
      this.#missing = this.#firstMissing(parent);
      return undefined;
    }
  }

  /** Whether the link at `path`, which exists, leads to a directory. */
  isLinkToDirectory(path: string): boolean {
    const { parent, name } = splitPath(path);
    try {
      return statSync(this.#cursor.enter(parent).at(name)).isDirectory();
    } catch (error) {
      // The link is broken, circular, or leads where this user may not look.
      if (systemCodeOf(error) !== undefined) return false;
      throw error;
    }
  }

  /** Whether the directory at `path`, which exists, is empty; false where that is unknown. */
  isEmptyDirectory(path: string): boolean {
    try {
      return readdirSync(this.#cursor.enter(path).here()).length === 0;
    } catch (error) {
      if (isOfOneEntry(storageError(error, `listing "${printable(path)}"`))) return false;
      throw error;
    }
  }

  close(): void {
    this.#cursor.close();
  }

  #findIn(directory: Directory, name: string, path: string): ScannedEntry | undefined {
    const stat = directory.look(name, this.#statAt);
    if (stat === undefined) return undefined;
    const type = kindOf(stat);
    if (type === 'FIFO' || type === 'socket' || type === 'device') {
      throw new CairnError('storage-unsupported', `"${printable(path)}" is a ${type}; it is left alone`, {
        details: { path },
      });
    }
    if (type === 'directory') directory.refuseReserved(name, stat);
    const found = foundEntry(path, type, stat, type === 'symlink' ? readlinkSync(directory.at(name)) : '');
    return this.#addMetadata?.(found, stat, () => directory.at(name)) ?? found;
  }

  #findRoot(): ScannedEntry {
    const stat = fstatSync(this.#root.fd, { bigint: true });
    const found = foundEntry('', 'directory', stat, '');
    return this.#addMetadata?.(found, stat, () => `${this.#root.here()}/.`) ?? found;
  }

  #isMissing(directory: string): boolean {
    const missing = this.#missing;
    return missing !== undefined && (directory === missing || directory.startsWith(`${missing}/`));
  }

  /** The highest missing directory: in a whole new tree one failed open answers for all entries below. */
  #firstMissing(directory: string): string | undefined {
    const names = directory.split('/');
    for (let count = 1; count <= names.length; count += 1) {
      const ancestor = names.slice(0, count).join('/');
      try {
        this.#cursor.enter(ancestor);
      } catch (error) {
        if (isAbsence(error)) return ancestor;
        throw error;
      }
    }
    return undefined;
  }
}

function isAbsence(error: unknown): boolean {
  return error instanceof CairnError
    ? error.code === 'not-found' || error.code === 'not-directory'
    : systemCodeOf(error) === 'ENOENT';
}
