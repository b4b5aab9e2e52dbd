/** Where a pull lands: a local directory, and a safe path in it. */
import { opendir, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { makeDirectory } from '../../base/durable-files.ts';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { kindOf, type FileKind } from '../../base/file-stat.ts';
import { checkRelativePath, isReservedName, printable, targetPathOf } from '../../base/safe-path.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { leadsToDescriptor } from '../transfer/descriptor-path.ts';

/** A local directory, absolute, and the safe path below it at which the manifest's entries land. */
export interface Landing {
  readonly root: string;
  readonly target: string;
  /** Whether nothing was there before: the root gets the mode of the tree that lands in it. */
  readonly isNew?: boolean | undefined;
}

/**
 * Refuses a destination that can hold neither a file nor a tree: a FIFO, a socket, a device, an open descriptor, and links to these, which
 * would be replaced.
 *
 * @throws CairnError `storage-unsupported`, storage codes
 */
export async function checkDestination(destination: string): Promise<void> {
  const path = resolve(destination);
  const kind = await kindAt(path);
  if (kind === undefined || kind === 'directory') return;
  const isFile = kind === 'file' && !(await leadsToDescriptor(path));
  if (isFile) return;
  const what = kind === 'file' ? 'stands for an open descriptor' : `is a ${kind}`;
  const message = `"${printable(destination)}" ${what}, and is not replaced; to write to it: cairn pull URL - >"${printable(destination)}"`;
  throw new CairnError('storage-unsupported', message, { details: { path } });
}

/** What a path leads to; a link that leads nowhere is replaced as a file is. */
async function kindAt(path: string): Promise<FileKind | undefined> {
  try {
    return kindOf(await stat(path, { bigint: true }));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCodeOf(error) ?? ''))
      return (await leadsToDescriptor(path)) ? 'device' : undefined;
    throw storageError(error, `looking at "${printable(path)}"`);
  }
}

/** Whether a manifest is that of one file or symbolic link, and of no tree. */
export function isSingle({ entries }: Manifest): boolean {
  const first = entries.at(0);
  return first?.path === '' && first.type !== 'directory';
}

/**
 * A tree lands in DEST; a file exactly at DEST, or under its own name where DEST is a directory or ends with a slash.
 *
 * @param target the URL's path below the server's prefix
 * @throws CairnError `not-directory` where a tree would land on a file; path and storage codes
 */
export async function landingOf(destination: string, target: string, manifest: Manifest): Promise<Landing> {
  const path = resolve(destination);
  const there = await typeAt(path);
  if (!isSingle(manifest)) {
    if (there === 'other')
      throw new CairnError(
        'not-directory',
        `"${printable(destination)}" is not a directory, and a tree needs one`,
      );
    return { root: path, target: '', isNew: there === undefined };
  }
  if (there === 'directory' || destination.endsWith('/')) {
    const name = targetPathOf(target).split('/').at(-1) ?? '';
    return { root: path, target: checkRelativePath(name) };
  }
  return { root: dirname(path), target: checkRelativePath(basename(path)) };
}

/**
 * Whether nothing is where a pull would land, a file or a tree; files of cairn's own do not count.
 *
 * @throws CairnError storage codes
 */
export async function isNothingThere(destination: string): Promise<boolean> {
  const path = resolve(destination);
  const there = await typeAt(path);
  if (there !== 'directory') return there === undefined;
  try {
    for await (const { name } of await opendir(path)) if (!isReservedName(name)) return false;
    return true;
  } catch (error) {
    // What cannot be listed can still be looked up, name by name.
    if (systemCodeOf(error) === 'EACCES') return false;
    throw storageError(error, `looking into "${printable(path)}"`);
  }
}

/** Makes the directory of a landing, with its parents, durably. @throws CairnError `not-directory`, storage codes */
export function makeLanding({ root }: Landing): Promise<void> {
  return makeDirectory(root);
}

/** The type of the file at a path, symbolic links followed. */
export async function typeAt(path: string): Promise<'directory' | 'other' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `looking at "${printable(path)}"`);
  }
}
