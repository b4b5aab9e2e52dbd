/** A tree with all kinds of metadata, and rsync as the judge of whether another tree is the same. */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadNative } from '../../src/base/native.ts';
import { encodeAcl } from '../../src/storage/disk/tree/posix-acl.ts';
import { hasProgram } from './requirements.ts';
import { temporaryDirectory, writeRandomFile } from './trees.ts';

const native = await loadNative();

/** For two users and a group that no machine knows. */
const LIST = encodeAcl([
  [1, 6],
  [2, 4, 4242],
  [2, 6, 4243],
  [4, 4],
  [8, 7, 4244],
  [16, 6],
  [32, 0],
]);

/** Whether this machine can make such trees and judge them. */
export const canKeepMetadata =
  process.getuid?.() === 0 && native !== undefined && canSetLists() && hasRsync();

function canSetLists(): boolean {
  const home = mkdtempSync(path.join(tmpdir(), 'cairn-lists-'));
  const file = path.join(home, 'f');
  writeFileSync(file, '');
  try {
    native!.xattrs.set(file, 'system.posix_acl_access', LIST);
    native!.xattrs.set(file, 'user.a', new Uint8Array(1));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(home, { recursive: true });
  }
}

function hasRsync(): boolean {
  const { stdout } = spawnSync('rsync', ['--version']);
  return hasProgram('rsync') && stdout.toString().includes('ACLs');
}

/** Sets an extended attribute. */
export function setXattr(file: string, name: string, value: Uint8Array | string): void {
  native!.xattrs.set(file, name, Buffer.from(value));
}

/** The value of an extended attribute. */
export function xattrOf(file: string, name: string): Buffer | undefined {
  return native!.xattrs.get(file, name);
}

/**
 * Gives a file as many attributes as its file system takes, the largest first, up to 300 KiB in all, which is what a manifest
 * has room for.
 */
export function fillAttributes(file: string): { values: Map<string, Buffer>; bytes: number } {
  const values = new Map<string, Buffer>();
  let bytes = 0;
  for (let size = 64 * 1024; size >= 64;) {
    const name = `user.n${values.size}`;
    const value = Buffer.alloc(size, `${values.size}\xff`, 'latin1');
    try {
      if (bytes + size > 300 * 1024) throw new Error('enough');
      native!.xattrs.set(file, name, value);
      values.set(name, value);
      bytes += size;
    } catch {
      size = Math.floor(size / 2); // the file system has no room for one of this size
    }
  }
  return { values, bytes };
}

/** Whether a file has an extended attribute. */
export function hasXattr(file: string, name: string): boolean {
  return native!.xattrs.get(file, name) !== undefined;
}

/** Writes a tree with owners, groups, attributes, lists, hard links, holes and odd times. */
export function writeMetadataTree(root = temporaryDirectory()): string {
  const at = (name: string): string => path.join(root, name);
  mkdirSync(at('d/e'), { recursive: true });
  writeFileSync(at('a'), 'hello');
  writeFileSync(at('d/b'), 'x');
  writeRandomFile(at('big'), 3 * 1024 * 1024);
  symlinkSync('a', at('link'));
  writeFileSync(at('holes'), '');
  truncateSync(at('holes'), 4 * 1024 * 1024);
  appendFileSync(at('holes'), 'end');
  writeFileSync(
    at('d/small-holes'),
    Buffer.concat([Buffer.alloc(20_000), Buffer.from('x'), Buffer.alloc(9000)]),
  );
  for (const [first, second] of [
    ['a', 'd/hard'],
    ['a', 'z'],
    ['d/b', 'd/e/b'],
    ['big', 'd/big'],
  ] as const)
    linkSync(at(first), at(second));
  chownSync(at('a'), 1, 4);
  chownSync(at('d'), 2, 60);
  chownSync(at('big'), 12_345, 54_321);
  lchownSync(at('link'), 7, 7);
  setXattr(at('a'), 'user.large', Buffer.alloc(3000, 'x'));
  setXattr(at('d'), 'user.ü', 'ü');
  setXattr(at('big'), 'user.z', Uint8Array.of(0, 255, 1));
  setXattr(at('d/b'), 'user.empty', '');
  setXattr(at('a'), 'system.posix_acl_access', LIST);
  setXattr(at('big'), 'system.posix_acl_access', LIST);
  setXattr(at('d'), 'system.posix_acl_default', LIST);
  chmodSync(at('d/b'), 0o400);
  chmodSync(at('d/e'), 0o2775);
  utimesSync(at('d/b'), 1, '-1000000000.25');
  utimesSync(at('big'), 1, 4_102_444_800.5);
  utimesSync(at('d/e'), 1, 0.000001);
  utimesSync(at('d'), 1, 1_000_000_000.125);
  utimesSync(root, 1, 1_100_000_000.5);
  return root;
}

/** What rsync would change to make one tree like another, metadata and contents; nothing where they are the same. */
export function differences(from: string, to: string): string {
  const { stdout, stderr, status } = spawnSync('rsync', [
    '-aHAXSni',
    '--checksum',
    '--delete',
    '--exclude=/.cairn',
    `${from}/`,
    `${to}/`,
  ]);
  if (status !== 0) throw new Error(stderr.toString());
  return stdout.toString();
}
