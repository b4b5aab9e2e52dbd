/**
 * A lock between processes of one machine, made of files, since Node has no flock. A dead holder never blocks.
 *
 * The highest `lock.N` in the directory is the lock. It is made by link(2), so it appears whole, and by one process
 * only. Numbers never go back: a holder empties its file when it is done instead of removing it, and a file is removed
 * only while a higher one is there. So whoever comes late with an old view of the directory (between two looks the lock
 * may have been taken, released and taken again) finds a higher number or a living lock after it linked its own, steps
 * back and looks again. The looks are atomic on Linux: a small directory is read in one getdents(2) under its lock.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, open, readFile, readdir, unlink } from 'node:fs/promises';
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
/** Longest random pause after stepping back, in milliseconds, so that two who met do not meet again. */
const MAX_PAUSE_MS = 10;
const LOCK_NAME = /^lock\.([1-9]\d{0,14})$/;
const TEMPORARY_NAME = /^lock-[0-9a-f]+\.tmp$/;

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
 * Takes the lock of `directory` (made if missing, 0700), or says at once who has it. The same process cannot take it
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
  // Empty once it was released, and anything else that is no identity after the machine went down: nobody holds it.
  const identity = parseIdentity(await ignoring('ENOENT', readFile(join(directory, name), 'utf8'), ''));
  return identity !== undefined && inspect.isAlive(identity) ? identity : undefined;
}

/** One try to become the holder under `number`; undefined means: look again. */
async function tryToTake(
  directory: string,
  number: number,
  inspect: ProcessInspector,
): Promise<ProcessLock | undefined> {
  const nonce = randomBytes(12).toString('hex');
  const temporary = join(directory, `lock-${nonce}.tmp`);
  const handle = await ignoring('ENOENT', open(temporary, 'wx', 0o600), undefined);
  if (handle === undefined) return undefined;
  try {
    await writeFully(handle, [Buffer.from(JSON.stringify({ ...inspect.self(), nonce }))], 0);
    const taken = await linkAndCheck(directory, temporary, number, handle, inspect);
    await ignoring(undefined, unlink(temporary), undefined);
    if (taken) {
      // What cannot be swept now will be swept by the next holder.
      await ignoring(undefined, sweep(directory, number, inspect), undefined);
      return held(handle);
    }
  } catch (error) {
    await ignoring(undefined, held(handle).release(), undefined);
    await ignoring(undefined, unlink(temporary), undefined);
    throw error;
  }
  await handle.close();
  return undefined;
}

async function linkAndCheck(
  directory: string,
  temporary: string,
  number: number,
  handle: FileHandle,
  inspect: ProcessInspector,
): Promise<boolean> {
  const own = join(directory, `lock.${number}`);
  try {
    await link(temporary, own);
  } catch (error) {
    // Somebody was faster, or removed the directory.
    if (['EEXIST', 'ENOENT'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
  const found = await look(directory, inspect);
  const others = found.filter((lock) => lock.number !== number);
  const isHighest = others.every((lock) => lock.number < number);
  if (others.length < found.length && isHighest && others.every((lock) => lock.holder === undefined))
    return true;
  // The highest number has to stay, emptied; the handle reaches this very file, whatever became of the directory.
  await handle.truncate(0);
  if (!isHighest) await ignoring('ENOENT', unlink(own), undefined);
  await sleep(Math.random() * MAX_PAUSE_MS);
  return false;
}

/** Removes what the dead left: lower locks, and temporary files of those who died before they linked them. */
async function sweep(directory: string, number: number, inspect: ProcessInspector): Promise<void> {
  for (const name of await ignoring('ENOENT', readdir(directory), [])) {
    const digits = LOCK_NAME.exec(name)?.[1];
    const isLeftover = digits === undefined ? TEMPORARY_NAME.test(name) : Number(digits) < number;
    if (isLeftover && (await holderOf(directory, name, inspect)) === undefined) {
      await ignoring('ENOENT', unlink(join(directory, name)), undefined);
    }
  }
}

/** What is held stays open until it is released, and not until the garbage collector finds that nobody looks at it. */
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
