/** In place of `node:fs/promises`. */
import { dirname } from 'node:path';
import { errnoOf, systemError } from '../disk/system-error.ts';
import type { SimulatedStats } from '../disk/stats.ts';
import { SimulatedFileHandle } from '../system/file-handle.ts';
import { realm } from './simulation.ts';

export type FileHandle = SimulatedFileHandle;

const EEXIST = 17;
const ENOENT = 2;

const files = () => realm.process.files;
const call = <T>(work: () => T): Promise<T> => realm.process.call(work);

export async function open(
  path: string,
  flags?: number | string,
  mode?: number,
): Promise<SimulatedFileHandle> {
  const { process } = realm;
  return new SimulatedFileHandle(process, await call(() => files().open(path, flags, mode)));
}

export const rename = (from: string, to: string): Promise<void> => call(() => files().rename(from, to));
export const unlink = (path: string): Promise<void> => call(() => files().unlink(path));
export const link = (from: string, to: string): Promise<void> => call(() => files().link(from, to));
export const readdir = (path: string): Promise<string[]> => call(() => files().names(path));

/** Names of a directory, one after the other; here it is read at once. */
async function* entriesOf(path: string): AsyncGenerator<{ readonly name: string }> {
  for (const name of await readdir(path)) yield { name };
}
export const opendir = async (path: string): Promise<AsyncIterable<{ readonly name: string }>> =>
  entriesOf(path);

const statOf = (path: string, follow: boolean): Promise<SimulatedStats> =>
  call(() => {
    const stats = files().stat(path, { follow, bigint: false });
    if (stats === undefined) throw systemError('ENOENT', 'stat', path);
    return stats;
  });
export const lstat = (path: string): Promise<SimulatedStats> => statOf(path, false);
export const stat = (path: string): Promise<SimulatedStats> => statOf(path, true);

export const realpath = (path: string): Promise<string> => call(() => files().realPath(path));
export const readlink = (path: string): Promise<string> => call(() => files().linkTarget(path));

export async function readFile(path: string, encoding?: string): Promise<Buffer | string> {
  const handle = await open(path);
  try {
    const bytes = await handle.readFile();
    return encoding === 'utf8' ? bytes.toString() : bytes;
  } finally {
    await handle.close();
  }
}

/** Makes a directory, and what is missing above it; answers the first that was made, as Node does. */
export async function mkdir(
  path: string,
  options: { readonly recursive?: boolean; readonly mode?: number } = {},
): Promise<string | undefined> {
  try {
    await call(() => files().makeDirectory(path, options.mode));
    return path;
  } catch (error) {
    if (options.recursive !== true) throw error;
    if (errnoOf(error) === EEXIST && (await stat(path)).isDirectory()) return undefined;
    if (errnoOf(error) !== ENOENT) throw error;
  }
  const first = await mkdir(dirname(path), options);
  return (await mkdir(path, options)) === undefined ? first : (first ?? path);
}

/** Removes what is at a path, one name at a time: a crash may come between any two. */
export async function rm(
  path: string,
  options: { readonly recursive?: boolean; readonly force?: boolean } = {},
): Promise<void> {
  // A directory is listed first; anything else goes at once.
  const names = await call(() => {
    const stats = files().stat(path, { follow: false, bigint: false });
    if (stats === undefined) throw systemError('ENOENT', 'rm', path);
    if (stats.isDirectory() && options.recursive === true) return files().names(path);
    files().unlink(path);
    return undefined;
  }).catch((error: unknown) => {
    if (options.force === true && errnoOf(error) === ENOENT) return undefined;
    throw error;
  });
  if (names === undefined) return;
  for (const name of names) await rm(`${path}/${name}`, options);
  await rmdir(path);
}

export const rmdir = (path: string): Promise<void> => call(() => files().removeDirectory(path));

/** A disk of the machine itself (ext4). */
export const statfs = async (): Promise<{ type: number }> => ({ type: 0xef53 });
