/**
 * A lock between processes of one machine, made of files, since Node has no flock. A dead holder never blocks.
 *
 * The highest `lock.N` in the directory is the lock; only one process can make it (O_EXCL). A process first writes its
 * identity into its new file and then looks at all others; where it sees a higher number or a living holder, it steps
 * back. Numbers never go back: a holder empties its file on release, and a file is removed only while a higher one
 * exists. docs/decisions/051-the-lock-is-a-numbered-file.md says why this holds.
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
/** Longest random pause after stepping back, in milliseconds, so that two processes do not collide again. */
const MAX_PAUSE_MS = 10;
/** Between two looks at a lock that another process holds. */
const LOOK_AGAIN_MS = 15;
const LOCK_NAME = /^lock\.([1-9]\d{0,14})$/;

/** A lock that this process holds until {@link ProcessLock.release} or its death. */
export interface ProcessLock {
  /** Releases the lock, even if the directory has gone; a second call does nothing. @throws CairnError storage codes */
  release(): Promise<void>;
}

/** Options of {@link acquireProcessLock}. */
export interface ProcessLockOptions {
  readonly inspect?: ProcessInspector;
  /** Error code when another process holds the lock; default `transfer-locked`. */
  readonly code?: 'transfer-locked' | 'state-locked';
}

interface Found {
  readonly number: number;
  /** The living holder; undefined when it is dead or has released the lock. */
  readonly holder: ProcessIdentity | undefined;
}

/**
 * Takes the lock of `directory` (made if missing, 0700), or throws at once. The same process cannot take it
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

/** How long {@link waitForProcessLock} tries, in milliseconds; the signal ends it earlier. */
export interface LockWait extends ProcessLockOptions {
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes the lock of `directory` as soon as other processes have released it.
 *
 * @throws CairnError as {@link acquireProcessLock} does, once it has waited for so long; the signal's reason
 */
export async function waitForProcessLock(
  directory: string,
  { waitMs, signal, ...options }: LockWait,
): Promise<ProcessLock> {
  const { code = 'transfer-locked' } = options;
  const giveUpAtMs = performance.now() + waitMs;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after the other
      return await acquireProcessLock(directory, options);
    } catch (error) {
      const isTaken = error instanceof CairnError && error.code === code;
      if (!isTaken || performance.now() > giveUpAtMs) throw error;
    }
    signal?.throwIfAborted();
    // oxlint-disable-next-line no-await-in-loop -- no event tells when it is free
    await sleep(LOOK_AGAIN_MS * (1 + Math.random()));
  }
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
  // An empty file was released; after a crash of the machine it may hold no valid identity: no process holds either.
  const identity = parseIdentity(await ignoring('ENOENT', readFile(join(directory, name), 'utf8'), ''));
  return identity !== undefined && inspect.isAlive(identity) ? identity : undefined;
}

/** Tries once to become the holder under `number`; undefined: look again. */
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
      // The next holder removes the locks that this one cannot.
      await ignoring(undefined, sweep(directory, number, inspect), undefined);
      return held(handle);
    }
    // The file of the highest number has to stay, emptied. The handle reaches it, even if the directory has gone.
    await handle.truncate(0);
    if (!isHighest) await ignoring('ENOENT', unlink(path), undefined);
  } catch (error) {
    await ignoring(undefined, held(handle).release(), undefined);
    // On a full disk each try may fail: remove the numbers of the earlier ones.
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

/** Removes lower locks without a holder. */
async function sweep(directory: string, number: number, inspect: ProcessInspector): Promise<void> {
  for (const lock of await look(directory, inspect)) {
    if (lock.number >= number || lock.holder !== undefined) continue;
    await ignoring('ENOENT', unlink(lockPath(directory, lock.number)), undefined);
  }
}

/** Keeps the file of a lock open until its release: the garbage collector would close an unreferenced handle. */
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

/** The result of `doing`, or `instead` when it fails with `systemCode` (undefined: with any error). */
async function ignoring<T>(systemCode: string | undefined, doing: Promise<T>, instead: T): Promise<T> {
  try {
    return await doing;
  } catch (error) {
    if (systemCode === undefined || systemCodeOf(error) === systemCode) return instead;
    throw error;
  }
}
