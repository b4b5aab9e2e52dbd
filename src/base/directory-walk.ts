import type { Directory } from './directory.ts';
import { checkRelativePath } from './safe-path.ts';

/** Whether a walk makes missing directories (mode 0777 less the umask), and syncs their parents at once. */
export interface WalkOptions {
  readonly create?: boolean;
  /** fsync each parent in which this run made a directory, or an interrupted run may have made one. */
  readonly sync?: boolean;
}

/** One step down, as {@link WalkOptions} say. @throws CairnError like {@link Directory.openChild} */
export function stepInto(parent: Directory, name: string, options: WalkOptions): Directory {
  if (options.create !== true) return parent.openChild(name);
  const child = parent.makeChild(name);
  try {
    if (options.sync === true) parent.sync();
  } catch (error) {
    child.close();
    throw error;
  }
  return child;
}

/** Directories that a cursor keeps open: few enough for a process that may open 256 files. */
const MAX_OPEN = 32;

interface Step {
  readonly name: string;
  /** Undefined where the cursor closed it, since it is far above the last one. */
  directory: Directory | undefined;
}

/**
 * Walks directories below a root in canonical order and keeps those on the way to the last one open, so that a hundred
 * thousand files in order cost one open per directory, and not one per component and file. Of a deep path only the last
 * directories stay open; the cursor opens the others again on the way back. Close it; the root stays open.
 */
export class DirectoryCursor {
  readonly #root: Directory;
  readonly #options: WalkOptions;
  readonly #stack: Step[] = [];
  #last = '';

  /** The cursor borrows `root`; with `create` it makes missing directories. */
  constructor(root: Directory, options: WalkOptions = {}) {
    this.#root = root;
    this.#options = options;
  }

  /**
   * The open directory at `relativeDirPath` ('' for the root). The cursor owns it; it is valid until the next call.
   *
   * @throws CairnError `path-unsafe`, `not-found`, `not-directory`, `symlink-refused`, storage codes
   */
  enter(relativeDirPath: string): Directory {
    if (relativeDirPath !== this.#last) this.#moveTo(relativeDirPath);
    return this.#stack.at(-1)?.directory ?? this.#root;
  }

  /** Closes the directories that the cursor opened; it may be used again afterwards. */
  close(): void {
    this.#cut(0);
  }

  #moveTo(path: string): void {
    const names = path === '' ? [] : checkRelativePath(path).split('/');
    let shared = 0;
    while (shared < names.length && this.#stack[shared]?.name === names[shared]) shared += 1;
    this.#cut(shared);
    // The directories far above the last one are closed.
    if (this.#stack.at(-1)?.directory === undefined) this.#cut(0);
    for (const name of names.slice(this.#stack.length)) {
      const parent = this.#stack.at(-1)?.directory ?? this.#root;
      this.#stack.push({ name, directory: stepInto(parent, name, this.#options) });
      this.#last = this.#last === '' ? name : `${this.#last}/${name}`;
      const above = this.#stack[this.#stack.length - 1 - MAX_OPEN];
      above?.directory?.close();
      if (above !== undefined) above.directory = undefined;
    }
  }

  #cut(depth: number): void {
    if (depth >= this.#stack.length) return;
    for (const step of this.#stack.splice(depth).toReversed()) step.directory?.close();
    this.#last = this.#stack.map((step) => step.name).join('/');
  }
}
