/** What a test needs of its machine; where it is missing the test is skipped, and its name says why. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';

/** Whether the tests may mount file systems. */
export const canMount =
  process.platform === 'linux' && process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;

/**
 * The words before a command that make it obey file permissions: none for an ordinary user; root gives up its right to
 * pass them by. Undefined where neither is possible.
 */
export const obeyingPermissions: readonly string[] | undefined =
  process.getuid?.() === 0 ? withoutCapabilities() : [];

function withoutCapabilities(): readonly string[] | undefined {
  const words = ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--'];
  return spawnSync(words[0]!, [...words.slice(1), 'true']).status === 0 ? words : undefined;
}

/** Whether there is a program of this name. */
export function hasProgram(name: string): boolean {
  const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  return spawnSync(name, ['-v'], { env: { ...process.env, PATH } }).error === undefined;
}

/** Mounts a memory file system of a given size until the test ends. */
export function mountTmpfs(directory: string, sizeBytes: number): void {
  mkdirSync(directory, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', directory]);
  if (mounted.status !== 0) throw new Error(`mount failed: ${mounted.stderr.toString()}`);
  onTestFinished(() => void spawnSync('umount', ['-l', directory]));
}

/** Lets nothing be written any more to what {@link mountTmpfs} has mounted. */
export function remountReadOnly(directory: string): void {
  const mounted = spawnSync('mount', ['-o', 'remount,ro', directory]);
  if (mounted.status !== 0) throw new Error(`mount failed: ${mounted.stderr.toString()}`);
}

/** Whether the tests may give files to other users: a stranger's are not this user's own. */
export const canChown = process.getuid?.() === 0;

/** A user number that nobody has. */
export const STRANGER = 20_001;

/** Mounts what is at one path at another, too, until the test ends. */
export function mountBind(directory: string, at: string): void {
  mkdirSync(at, { recursive: true });
  const mounted = spawnSync('mount', ['--bind', directory, at]);
  if (mounted.status !== 0) throw new Error(`mount failed: ${mounted.stderr.toString()}`);
  onTestFinished(() => void spawnSync('umount', ['-l', at]));
}

/** Mounts a new vfat of 4 MiB, which folds case and has short names, until the test ends; whether that was possible. */
export function mountVfat(directory: string, ...options: string[]): boolean {
  const image = `${directory}.image`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(image, Buffer.alloc(4 * 1024 * 1024));
  const isMounted =
    spawnSync('mkfs.vfat', [image]).status === 0 &&
    spawnSync('mount', ['-o', ['loop', ...options].join(','), image, directory]).status === 0;
  onTestFinished(() => void spawnSync('umount', ['-l', directory]));
  return isMounted;
}

/** Whether script(1) is there, which runs a command at a terminal of its own. */
export const hasTerminals = spawnSync('script', ['--version']).status === 0;
