/**
 * A lock between processes of one machine, made of files, since Node has no flock. A dead holder never blocks.
 *
 * The highest `lock.N` in the directory is the lock. One process only can make it (O_EXCL), on every file system; hard links
 * are not needed. Who has made one writes into it who it is, and only then looks at all others: of two that do so together,
 * the one that looks last sees the other, and steps back. Numbers never go back: a holder empties its file when it is done
 * instead of removing it, and a file is removed only while a higher one is there. So a process that comes late with an old
 * view of the directory (between two looks the lock may have been taken, released and taken again) finds a higher number, or
 * a living lock, or its own file gone, after it has made its own; it steps back and looks again. The looks are atomic on
 * Linux: a small directory is read in one getdents(2) under its lock.
 */
import { type FileHandle, open, readFile, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makePrivateDirectory, refuseLink, writeFully } from './durable-files.ts';
import { CairnError, storageError, systemCodeOf } from './errors.ts';
import {
  type ProcessIdentity,
  type ProcessInspector,
  parseIdentity,
  systemInspector,
} from './process-identity.ts';
import { printable } from './safe-path.ts';

const MAX_ATTEMPTS = 100;
/** Longest random pause after stepping back, in milliseconds, so that two processes that met do not meet again. */
const MAX_PAUSE_MS = 10;
const LOCK_NAME = /^lock\.([1-9]\d{0,14})$/;

/** A lock that this process holds until {@link ProcessLock.release} or its death. */
export interface ProcessLock {
  /** Gives the lock up; a second call does nothing. The directory may be gone by then. @throws CairnError, storage codes */
  release(): Promise<void>;
}

/** How {@link acquireProcessLock} looks at processes, and what it throws when the lock is taken. */
export interface ProcessLockOptions {
  readonly inspect?: ProcessInspector;
  /** Error code when another process holds the lock; `transfer-locked` unless told otherwise. */
  readonly code?: 'transfer-locked' | 'state-locked';
}

interface Found {
  readonly number: number;
  /** The living holder; undefined when it is dead or has let go. */
  readonly holder: ProcessIdentity | undefined;
}

/**
 * Takes the lock of `directory` (made if missing, 0700), or says at once which process has it. The same process cannot take it
 * twice.
 *
 * @throws CairnError `transfer-locked` (or `options.code`) with details `pid` while a living process has it;
 * `symlink-refused`; storage codes
 */
export async function acquireProcessLock(
  directory: string,
  options: ProcessLockOptions = {},
): Promise<ProcessLock> {
  const inspect = options.inspect ?? systemInspector;
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      await refuseLink(directory);
      await makePrivateDirectory(directory);
      const found = await look(directory, inspect);
      const holder = found.find((lock) => lock.holder !== undefined)?.holder;
      if (holder !== undefined) throw lockedError(directory, options, holder.pid);
      const lock = await tryToTake(directory, (found.at(-1)?.number ?? 0) + 1, inspect);
      if (lock !== undefined) return lock;
    }
  } catch (error) {
    throw storageError(error, `locking "${printable(directory)}"`);
  }
  throw lockedError(directory, options, undefined);
}

function lockedError(directory: string, options: ProcessLockOptions, pid: number | undefined): CairnError {
  const who = pid === undefined ? 'other processes keep taking it' : `process ${pid} holds it`;
  const message = `"${printable(directory)}" is locked: ${who}; wait for it to end, or stop it`;
  return new CairnError(
    options.code ?? 'transfer-locked',
    message,
    pid === undefined ? {} : { details: { pid } },
  );
}

/** The locks in `directory`, ascending by number. */
async function look(directory: string, inspect: ProcessInspector): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await ignoring('ENOENT', readdir(directory), [])) {
    const digits = LOCK_NAME.exec(name)?.[1];
    if (digits !== undefined)
      found.push({ number: Number(digits), holder: await holderOf(directory, name, inspect) });
  }
  return found.toSorted((a, b) => a.number - b.number);
}

async function holderOf(
  directory: string,
  name: string,
  inspect: ProcessInspector,
): Promise<Found['holder']> {
  // Empty once it was released, and anything else that is no identity after the machine went down: no process holds it.
  const identity = parseIdentity(await ignoring('ENOENT', readFile(join(directory, name), 'utf8'), ''));
  return identity !== undefined && inspect.isAlive(identity) ? identity : undefined;
}

/** One try to become the holder under `number`; undefined means: look again. */
async function tryToTake(
  directory: string,
  number: number,
  inspect: ProcessInspector,
): Promise<ProcessLock | undefined> {
  const path = lockPath(directory, number);
  const handle = await openNew(path);
  if (handle === undefined) return undefined;
  try {
    await writeFully(handle, [Buffer.from(JSON.stringify(inspect.self()))], 0);
    const found = await look(directory, inspect);
    const others = found.filter((lock) => lock.number !== number);
    const isThere = others.length < found.length;
    const isHighest = others.every((lock) => lock.number < number);
    if (isThere && isHighest && others.every((lock) => lock.holder === undefined)) {
      // What cannot be swept now will be swept by the next holder.
      await ignoring(undefined, sweep(directory, number, inspect), undefined);
      return held(handle);
    }
    // The highest number has to stay, emptied; the handle reaches this very file, whatever became of the directory.
    await handle.truncate(0);
    if (!isHighest) await ignoring('ENOENT', unlink(path), undefined);
  } catch (error) {
    await ignoring(undefined, held(handle).release(), undefined);
    // A full disk may refuse each try: only the last of them leaves its number.
    await ignoring(undefined, sweep(directory, number, inspect), undefined);
    throw error;
  }
  await handle.close();
  await sleep(Math.random() * MAX_PAUSE_MS);
  return undefined;
}

function lockPath(directory: string, number: number): string {
  return join(directory, `lock.${number}`);
}

/** Undefined where another process was faster, or has removed the directory. */
async function openNew(path: string): Promise<FileHandle | undefined> {
  return ignoring('ENOENT', ignoring('EEXIST', open(path, 'wx', 0o600), undefined), undefined);
}

/** Removes lower locks that nobody holds. */
async function sweep(directory: string, number: number, inspect: ProcessInspector): Promise<void> {
  for (const lock of await look(directory, inspect)) {
    if (lock.number >= number || lock.holder !== undefined) continue;
    await ignoring('ENOENT', unlink(lockPath(directory, lock.number)), undefined);
  }
}

/** A held file stays open until it is released, and not until the garbage collector finds that nothing refers to it. */
const heldHandles = new Set<FileHandle>();

function held(handle: FileHandle): ProcessLock {
  heldHandles.add(handle);
  const letGo = async (): Promise<void> => {
    heldHandles.delete(handle);
    try {
      await handle.truncate(0);
    } catch (error) {
      throw storageError(error, 'releasing a lock');
    } finally {
      await handle.close();
    }
  };
  let released: Promise<void> | undefined;
  return { release: () => (released ??= letGo()) };
}

/** What `doing` answers, or `instead` when it fails with `systemCode` (undefined: whatever it fails with). */
async function ignoring<T>(systemCode: string | undefined, doing: Promise<T>, instead: T): Promise<T> {
  try {
    return await doing;
  } catch (error) {
    if (systemCode === undefined || systemCodeOf(error) === systemCode) return instead;
    throw error;
  }
}
