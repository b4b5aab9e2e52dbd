/** The locks that a server takes before it starts, and a check or a copy of its root, too. */
import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CairnError, storageError, systemCodeOf, takesNothing } from '../../base/errors.ts';
import { takeLease } from '../../base/lease-file.ts';
import { loadNative } from '../../base/native.ts';
import { networkFileSystemOf } from '../../base/network-file-system.ts';
import { acquireProcessLock } from '../../base/process-lock.ts';
import { printable, RESERVED_NAME } from '../../base/safe-path.ts';
import { stateInside } from './served-directories.ts';
import { ensurePrivateDirectory } from './user-directories.ts';

/** A root with its state. */
export interface ServedRoot {
  readonly root: string;
  readonly state: string;
}

/**
 * Refuses a root or a state on a network file system, unless that was asked for.
 *
 * @throws CairnError `config-invalid`
 */
export async function refuseNetwork({
  root,
  state,
  networkRoot,
}: ServedRoot & { readonly networkRoot: boolean }): Promise<void> {
  if (networkRoot) return;
  for (const [what, path] of [
    ['the root', root],
    ['the state', state],
  ] as const) {
    const name = existsSync(path) ? await networkFileSystemOf(path) : undefined;
    if (name === undefined) continue;
    throw new CairnError(
      'config-invalid',
      `${what} "${printable(path)}" lies on a network file system (${name}), whose locks and syncs may be too weak for what cairn promises; ` +
        'use a local disk, or give --network-root where no other host serves it and its server is as durable as a disk',
    );
  }
}

/** What a server has taken hold of. */
export interface ServedLocks {
  /** Resolves when another server has taken over, as after this process was stopped for long: this one has to end. */
  readonly lost: Promise<CairnError>;
  release(): Promise<void>;
}

interface Lock {
  release(): Promise<void>;
}

/**
 * One server a state, and one server a root: what is staged lies in the root, also where the state does not. A disk that is
 * full or read-only takes no lock of a file; a server that only reads starts all the same.
 *
 * @throws CairnError `state-locked` while another process has them, storage codes
 */
export async function lockServed({ state, root }: ServedRoot): Promise<ServedLocks> {
  const reserved = join(root, RESERVED_NAME);
  await ensureUnlessReadOnly(reserved);
  await refuseServedState(root, state);
  const native = await loadNative();
  const locks: Lock[] = [];
  const release = async (): Promise<void> => {
    await Promise.all(locks.map((lock) => lock.release()));
  };
  let lose: (error: CairnError) => void;
  const lost = new Promise<CairnError>((resolve) => (lose = resolve));
  try {
    for (const directory of await distinctDirectories([state, reserved])) {
      const onLost = (error: CairnError): void => lose(inUse(root, error));
      // In order, so that what was taken is given back. The lease first: it also sees servers of other containers and hosts.
      await holdWherePossible(locks, () => takeLease(directory, { native, onLost }));
      await holdWherePossible(locks, () =>
        acquireProcessLock(join(directory, 'lock'), { code: 'state-locked' }),
      );
    }
  } catch (error) {
    await release();
    throw error instanceof CairnError && error.code === 'state-locked' ? inUse(root, error) : error;
  }
  return { lost, release };
}

/**
 * Refuses a state that lies inside of the root by any way, as a link or a mount may lead there; except in the reserved
 * directory, which is never served.
 */
async function refuseServedState(root: string, state: string): Promise<void> {
  const [top, reserved] = await Promise.all([inodeAt(root), inodeAt(join(root, RESERVED_NAME))]);
  const [start] = await distinctDirectories([state]);
  if (start === undefined) return;
  for (let path = start; ; path = dirname(path)) {
    const here = await inodeAt(path);
    if (here === undefined || here === reserved) return;
    if (here === top) throw stateInside(root, state);
    if (path === dirname(path)) return;
  }
}

async function inodeAt(path: string): Promise<string | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `looking at "${printable(path)}"`);
  }
}

/** A read-only root cannot hold staged bytes, and needs none to be read. */
async function ensureUnlessReadOnly(directory: string): Promise<void> {
  try {
    await ensurePrivateDirectory(directory);
  } catch (error) {
    if (!takesNothing(error)) throw error;
  }
}

async function distinctDirectories(paths: readonly string[]): Promise<string[]> {
  const real = await Promise.all(
    paths.map((path) =>
      realpath(path).catch((error: unknown) => {
        if (systemCodeOf(error) === 'ENOENT') return undefined;
        throw storageError(error, `looking at "${printable(path)}"`);
      }),
    ),
  );
  return [...new Set(real.filter((path) => path !== undefined))];
}

async function holdWherePossible(locks: Lock[], take: () => Promise<Lock>): Promise<void> {
  try {
    locks.push(await take());
  } catch (error) {
    if (!takesNothing(error)) throw error;
  }
}

function inUse(root: string, error: CairnError): CairnError {
  const pid = error.details['pid'];
  const who =
    pid === undefined
      ? 'another server, in another container or on another host,'
      : `another server (process ${String(pid)})`;
  const message = `${who} already serves "${printable(root)}" or uses its state; stop it, or serve another root`;
  return new CairnError('state-locked', message, { cause: error, details: error.details });
}
