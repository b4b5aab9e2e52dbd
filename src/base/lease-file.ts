/**
 * A file that names the process that uses a directory, for processes that cannot see each other: in other containers
 * (another pid namespace), or on another host that mounts the same file system. With the C library the kernel's lock on
 * the file decides at once; a process of another kernel watches whether the holder renews the file.
 */
import { randomBytes } from 'node:crypto';
import { constants, readlinkSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeFully } from './durable-files.ts';
import { CairnError, storageError, systemCodeOf } from './errors.ts';
import type { Native } from './native.ts';
import { parseIdentity, type ProcessIdentity, systemInspector } from './process-identity.ts';
import { printable } from './safe-path.ts';

/** How often a holder writes its file, and for how long another process watches before it takes over. */
export interface LeaseTiming {
  readonly renewEveryMs: number;
  readonly watchForMs: number;
}

const TIMING: LeaseTiming = { renewEveryMs: 2000, watchForMs: 5000 };
/** Reads during one watch. */
const LOOKS = 20;
/** Two processes that start together have both written within this time, in milliseconds. */
const SETTLE_MS = 250;
/** The length of every record, so that one write replaces the whole record. */
const RECORD_BYTES = 512;
const BLANK = Buffer.from(`${' '.repeat(RECORD_BYTES - 1)}\n`);
const FILE_NAME = 'lease';

/** The holder that the file names. */
interface Holder extends ProcessIdentity {
  /** The pid namespace in which `pid` means something; '' where there is no /proc. */
  readonly pidNamespace: string;
  /** Random; differs each time a process takes the lease. */
  readonly nonce: string;
  /** Whether the holder has the kernel's lock as well. */
  readonly hasKernelLock: boolean;
}

/** A lease that this process holds until it is released. */
export interface LeaseFile {
  /** Releases the lease; a second call does nothing. */
  release(): Promise<void>;
}

/** Options of {@link takeLease}. */
export interface LeaseOptions {
  /** The C library; undefined where this machine cannot have it. */
  readonly native: Pick<Native, 'lockFile'> | undefined;
  /** Called once when another process has taken the lease, as after a long stop of this one: this one has to end. */
  readonly onLost: (error: CairnError) => void;
  readonly timing?: LeaseTiming;
  /** The identity of this process; for tests. */
  readonly self?: ProcessIdentity & { readonly pidNamespace: string };
}

/**
 * Takes the lease of `directory`, which exists. It finds a holder of this kernel at once, and one on another host
 * within `watchForMs`.
 *
 * @throws CairnError `state-locked` (details `pid` where it means something here) while another process holds it;
 * `symlink-refused`; storage codes
 */
export async function takeLease(directory: string, options: LeaseOptions): Promise<LeaseFile> {
  const path = join(directory, FILE_NAME);
  const { native, timing = TIMING, self = identityOfThis() } = options;
  try {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      const hasKernelLock = kernelLock(native, handle);
      const before = await holderOf(path);
      if (hasKernelLock === false || (await isHeld(path, before, { self, hasKernelLock, timing })))
        throw heldError(directory, before, self);
      const own: Holder = {
        ...self,
        nonce: randomBytes(12).toString('hex'),
        hasKernelLock: hasKernelLock === true,
      };
      const failure = await write(handle, own, 0).catch((error: unknown) => error);
      // A full or read-only disk refuses the record; the kernel's lock suffices then.
      if (failure !== undefined && hasKernelLock !== true) throw failure;
      if (hasKernelLock !== true) await refuseOther(directory, own);
      return hold({ path, handle, own, timing, onLost: options.onLost });
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw storageError(error, `taking the lease "${printable(path)}"`);
  }
}

/**
 * Without a lock two processes that start together may both find the file free: the last writer gets the lease.
 *
 * @throws CairnError `state-locked`
 */
async function refuseOther(directory: string, own: Holder): Promise<void> {
  await sleep(SETTLE_MS);
  const there = await holderOf(join(directory, FILE_NAME));
  if (there?.nonce !== own.nonce) throw heldError(directory, there, own);
}

function identityOfThis(): ProcessIdentity & { pidNamespace: string } {
  let pidNamespace = '';
  try {
    pidNamespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Without /proc there are no containers to tell apart.
  }
  return { ...systemInspector.self(), pidNamespace };
}

/** True: this process has the lock; false: another has it; undefined: no such locks on this machine or file system. */
function kernelLock(native: Pick<Native, 'lockFile'> | undefined, { fd }: FileHandle): boolean | undefined {
  try {
    return native?.lockFile(fd);
  } catch {
    return undefined; // the file system has no locks: only the renewals tell
  }
}

async function isHeld(
  path: string,
  before: Holder | undefined,
  how: {
    self: ProcessIdentity & { pidNamespace: string };
    hasKernelLock: boolean | undefined;
    timing: LeaseTiming;
  },
): Promise<boolean> {
  if (before === undefined) return false;
  const { self, hasKernelLock, timing } = how;
  if (before.bootId === self.bootId) {
    // The kernel has released the lock of a dead holder.
    if (hasKernelLock === true && before.hasKernelLock) return false;
    if (before.pidNamespace === self.pidNamespace) return systemInspector.isAlive(before);
  }
  return isRenewed(path, timing);
}

/** Watches the bytes of the file and not its time: the clocks of two hosts differ. */
async function isRenewed(path: string, { watchForMs }: LeaseTiming): Promise<boolean> {
  const first = await textOf(path);
  for (let look = 0; look < LOOKS; look += 1) {
    await sleep(watchForMs / LOOKS);
    if ((await textOf(path)) !== first) return true;
  }
  return false;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

async function holderOf(path: string): Promise<Holder | undefined> {
  const text = await textOf(path);
  const identity = parseIdentity(text);
  if (identity === undefined) return undefined;
  const { pidNamespace, nonce, hasKernelLock } = JSON.parse(text) as Record<string, unknown>;
  if (typeof pidNamespace !== 'string' || typeof nonce !== 'string') return undefined;
  return { ...identity, pidNamespace, nonce, hasKernelLock: hasKernelLock === true };
}

function heldError(
  directory: string,
  holder: Holder | undefined,
  self: ProcessIdentity & { pidNamespace: string },
): CairnError {
  const isNear = holder?.bootId === self.bootId && holder.pidNamespace === self.pidNamespace;
  const where = isNear ? `process ${holder.pid}` : 'a process of another container or host';
  return new CairnError(
    'state-locked',
    `"${printable(directory)}" is in use: ${where} holds its lease`,
    isNear ? { details: { pid: holder.pid } } : {},
  );
}

async function write(handle: FileHandle, own: Holder, beat: number): Promise<void> {
  const text = JSON.stringify({ ...own, beat }).padEnd(RECORD_BYTES - 1);
  await writeFully(handle, [Buffer.from(`${text}\n`)], 0);
}

function hold(held: {
  path: string;
  handle: FileHandle;
  own: Holder;
  timing: LeaseTiming;
  onLost: (error: CairnError) => void;
}): LeaseFile {
  const { path, handle, own, timing, onLost } = held;
  let beat = 0;
  let renewing: Promise<void> = Promise.resolve();
  const renew = async (): Promise<void> => {
    try {
      const there = await holderOf(path);
      if (there !== undefined && there.nonce !== own.nonce) {
        clearInterval(timer);
        onLost(heldError(path, there, own));
        return;
      }
      beat += 1;
      await write(handle, own, beat);
    } catch {
      // A full or read-only disk: the next beat tries again, and the lock of the kernel stays.
    }
  };
  const beatOnce = (): void => {
    renewing = renewing.then(renew);
  };
  const timer = setInterval(beatOnce, timing.renewEveryMs).unref();
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    clearInterval(timer);
    await renewing;
    try {
      // Blanks, since a lock on a removed file tells other processes nothing, and a full disk takes no new file.
      if ((await holderOf(path))?.nonce === own.nonce) await writeFully(handle, [BLANK], 0);
    } catch (error) {
      throw storageError(error, `releasing the lease "${printable(path)}"`);
    } finally {
      await handle.close();
    }
  };
  return { release: () => (released ??= release()) };
}
