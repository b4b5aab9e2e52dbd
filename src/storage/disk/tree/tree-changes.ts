/** Changes of published trees without a transfer: makes a directory, removes or moves an entry. Durable on return. */
import { mkdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { kindOf } from '../../../base/file-stat.ts';
import type { Native } from '../../../base/native.ts';
import { checkRelativePath, printable } from '../../../base/safe-path.ts';
import { createBreather } from '../../../base/breather.ts';
import { splitPath } from './lookup.ts';
import { listNames } from './names.ts';

const exists = (path: string): CairnError =>
  new CairnError('already-exists', `"${printable(path)}" is there already`, { details: { path } });

/** See `ContentStore.makeDirectory`. */
export function makeDirectoryAt(root: Directory, path: string, { parents }: { parents: boolean }): void {
  inParent(root, path, { create: parents, sync: true }, (directory, name) => {
    try {
      mkdirSync(directory.at(name));
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST') throw error;
      const there = directory.look(name, undefined);
      if (!parents || there === undefined || kindOf(there) !== 'directory') throw exists(path);
    }
    directory.sync();
  });
}

/** See `ContentStore.remove`. */
export async function removeAt(
  root: Directory,
  path: string,
  { recursive }: { recursive: boolean },
): Promise<void> {
  const isDirectory = inParent(root, path, {}, (directory, name) => {
    const there = directory.look(name, undefined);
    if (there === undefined) throw missing(path);
    directory.refuseReserved(name, there);
    if (kindOf(there) === 'directory') return true;
    unlinkSync(directory.at(name));
    directory.sync();
    return false;
  });
  if (!isDirectory) return;
  if (recursive) await emptyDirectory(root, path);
  inParent(root, path, {}, (directory, name) => {
    try {
      rmdirSync(directory.at(name));
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(systemCodeOf(error) ?? '')) throw error;
      const message = `"${printable(path)}" is a directory that is not empty; --recursive removes it with everything in it`;
      throw new CairnError('is-directory', message, { cause: error, details: { path } });
    }
    directory.sync();
  });
}

/** Options of {@link moveTo}. */
export interface MoveOptions {
  readonly replace: boolean;
  /** Without it a move may replace a file that is made while it runs. */
  readonly native: Pick<Native, 'renameNewAt'> | undefined;
}

/** A name in an open directory. */
interface Place {
  readonly directory: Directory;
  readonly name: string;
}

/** See `ContentStore.move`. */
export function moveTo(root: Directory, from: string, to: string, { replace, native }: MoveOptions): void {
  inParent(root, from, {}, (source, name) => {
    const moved = source.look(name, undefined);
    if (moved === undefined) throw missing(from);
    source.refuseReserved(name, moved);
    inParent(root, to, {}, (target, newName) => {
      const inTheWay = target.look(newName, undefined);
      target.refuseReserved(newName, inTheWay);
      if (!replace && inTheWay !== undefined) throw exists(to);
      try {
        const place = { directory: target, name: newName };
        if (!rename({ directory: source, name }, place, { replace, native })) throw exists(to);
      } catch (error) {
        throw moveError(error, from, to);
      }
      target.sync();
    });
    source.sync();
  });
}

/** Renames an entry: false where the name is taken and the file there has to stay. Throws system errors. */
function rename(from: Place, to: Place, { replace, native }: MoveOptions): boolean {
  if (!replace && native?.renameNewAt !== undefined) {
    try {
      return native.renameNewAt(from.directory.fd, from.name, to.directory.fd, to.name);
    } catch (error) {
      // The file system does not support this flag; or it is a move into itself, which renameSync refuses as well.
      if (systemCodeOf(error) !== 'EINVAL') throw error;
    }
  }
  renameSync(from.directory.at(from.name), to.directory.at(to.name));
  return true;
}

function moveError(error: unknown, from: string, to: string): unknown {
  switch (systemCodeOf(error)) {
    case 'EINVAL':
      return new CairnError('usage', `"${printable(from)}" cannot be moved into itself`, { cause: error });
    case 'EXDEV': {
      const message = `"${printable(to)}" is on another file system than "${printable(from)}"; copy it with pull and push`;
      return new CairnError('storage-unsupported', message, { cause: error });
    }
    case 'ENOTEMPTY':
    case 'EEXIST':
    case 'EISDIR':
    case 'ENOTDIR':
      return exists(to);
    default:
      return error;
  }
}

function missing(path: string): CairnError {
  return new CairnError('not-found', `there is nothing at "${printable(path)}"`, { details: { path } });
}

function inParent<T>(
  root: Directory,
  path: string,
  options: { create?: boolean; sync?: boolean },
  act: (directory: Directory, name: string) => T,
): T {
  const { parent, name } = splitPath(checkRelativePath(path));
  if (name === '') throw new CairnError('path-reserved', 'the root itself stays as it is');
  const cursor = new DirectoryCursor(root, options);
  try {
    return act(cursor.enter(parent), name);
  } catch (error) {
    throw storageError(error, `changing "${printable(path)}"`);
  } finally {
    cursor.close();
  }
}

interface Level {
  readonly path: string;
  readonly names: string[];
}

/** Removes all entries in a directory, the deepest first, without following links and with few descriptors. */
async function emptyDirectory(root: Directory, path: string): Promise<void> {
  const cursor = new DirectoryCursor(root);
  const breathe = createBreather();
  try {
    const levels: Level[] = [await open(cursor, path)];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const name = level.names.pop();
      const directory = cursor.enter(level.path);
      if (name === undefined) {
        levels.pop();
        const above = levels.at(-1);
        if (above !== undefined) rmdirSync(cursor.enter(above.path).at(splitPath(level.path).name));
      } else {
        const there = directory.look(name, undefined);
        if (there !== undefined && kindOf(there) === 'directory')
          levels.push(await open(cursor, `${level.path}/${name}`));
        else if (there !== undefined) unlinkSync(directory.at(name));
      }
      await breathe();
    }
  } catch (error) {
    throw storageError(error, `removing "${printable(path)}"`);
  } finally {
    cursor.close();
  }
}

async function open(cursor: DirectoryCursor, path: string): Promise<Level> {
  const directory = cursor.enter(path);
  const { names, notUtf8 } = listNames(directory);
  // Such names are in no manifest, nor are the entries below them.
  for (const name of notUtf8) await rm(directory.at(name), { recursive: true, force: true });
  return { path, names };
}
