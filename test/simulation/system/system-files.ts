/** The calls of a simulated process to its file system, as Node names them. */
import { constants } from 'node:fs';
import type { DirectoryNode, FileNode, Node } from '../disk/inode.ts';
import { resolvePath, type Resolved } from '../disk/paths.ts';
import { SimulatedStats } from '../disk/stats.ts';
import { systemError } from '../disk/system-error.ts';
import type { Disk } from '../disk/disk.ts';
import type { SimulatedProcess } from './process.ts';

interface OpenFile {
  readonly node: FileNode | DirectoryNode;
}

const FLAGS: Readonly<Record<string, number>> = {
  r: constants.O_RDONLY,
  wx: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
};

/** How often a write takes fewer bytes than it was given. */
const SHORT_WRITE = 0.02;

/** The file system as one process sees it. Every call throws system errors. */
export class SystemFiles {
  readonly #process: SimulatedProcess;
  readonly #open = new Map<number, OpenFile>();
  #descriptors = 10;

  constructor(process: SimulatedProcess) {
    this.#process = process;
  }

  open(path: string, flags: number | string = 'r', mode = 0o666): number {
    this.#process.enterCall();
    const bits = typeof flags === 'number' ? flags : FLAGS[flags];
    if (bits === undefined) throw new Error(`the simulation knows no open flags ${flags}`);
    const follow = (bits & (constants.O_NOFOLLOW | constants.O_EXCL)) === 0;
    const found = this.#find(path, 'open', follow);
    const isWriting = (bits & (constants.O_WRONLY | constants.O_RDWR)) !== 0;
    if (isWriting && found.node?.type === 'file') this.#checkWritable('open', path);
    const node = found.node ?? this.#create(found, bits, mode, path);
    if (found.node !== undefined && (bits & constants.O_EXCL) !== 0)
      throw systemError('EEXIST', 'open', path);
    if (node.type === 'symlink') throw systemError('ELOOP', 'open', path);
    if (node.type === 'file' && (bits & constants.O_DIRECTORY) !== 0)
      throw systemError('ENOTDIR', 'open', path);
    if (node.type === 'directory' && isWriting) throw systemError('EISDIR', 'open', path);
    this.#descriptors += 1;
    this.#open.set(this.#descriptors, { node });
    return this.#descriptors;
  }

  close(fd: number): void {
    // Closing has no effect that a crash could take away: code that tidies up in a dead process may do it.
    if (!this.#open.delete(fd) && this.#process.isAlive) throw systemError('EBADF', 'close');
  }

  closeAll(): void {
    this.#open.clear();
  }

  read(fd: number, into: Uint8Array, position: number): number {
    this.#process.enterCall();
    const bytes = this.#file(fd, 'read').bytes.subarray(position, position + into.byteLength);
    into.set(bytes);
    return bytes.byteLength;
  }

  readWhole(fd: number): Buffer {
    this.#process.enterCall();
    return Buffer.from(this.#file(fd, 'read').bytes);
  }

  /** Writes as much as the system takes at a time. */
  write(fd: number, bytes: Uint8Array, position: number): number {
    this.#process.enterCall();
    const file = this.#file(fd, 'write');
    const { trouble, world } = this.#process.machine;
    this.#checkWritable('write', file.path);
    if (trouble.isFull && position + bytes.byteLength > file.size) {
      world.met('full disk');
      world.onRefused(this.#process, file.path, Buffer.concat([file.bytes.subarray(0, position), bytes]));
      throw systemError('ENOSPC', 'write', file.path);
    }
    const isShort = bytes.byteLength > 1 && world.chance.is(SHORT_WRITE);
    const taken = isShort ? bytes.subarray(0, world.chance.int(1, bytes.byteLength)) : bytes;
    this.#disk.write(file, position, taken);
    world.trace.say(this.#process.name, () => `write ${file.path} ${position}+${taken.byteLength}`);
    return taken.byteLength;
  }

  truncate(fd: number, size: number): void {
    this.#process.enterCall();
    const file = this.#file(fd, 'ftruncate');
    this.#checkWritable('ftruncate', file.path);
    this.#disk.truncate(file, size);
  }

  sync(fd: number, how: 'data' | 'all'): void {
    this.#process.enterCall();
    const { node } = this.#opened(fd, 'fsync');
    const isFile = node.type === 'file';
    if (this.#failsNow() || (isFile && node.hasUntoldLoss)) {
      if (isFile) this.#disk.failSync(node);
      throw systemError('EIO', 'fsync', node.path);
    }
    if (node.type === 'file') this.#disk.syncFile(node, how);
    else this.#disk.syncDirectory(node);
    this.#process.machine.world.trace.say(this.#process.name, () => `sync ${node.path}`);
  }

  syncFileSystem(fd: number): void {
    this.#process.enterCall();
    this.#opened(fd, 'syncfs');
    if (this.#failsNow()) {
      this.#disk.failSyncAll();
      throw systemError('EIO', 'syncfs');
    }
    this.#disk.syncAll();
    this.#process.machine.world.trace.say(this.#process.name, () => 'syncfs');
  }

  stat(path: string, options: { follow: boolean; bigint: boolean }): SimulatedStats | undefined {
    this.#process.enterCall();
    const { node } = this.#find(path, 'stat', options.follow);
    return node === undefined ? undefined : new SimulatedStats(node, options);
  }

  statOpen(fd: number, options: { bigint: boolean }): SimulatedStats {
    this.#process.enterCall();
    return new SimulatedStats(this.#opened(fd, 'fstat').node, options);
  }

  names(path: string): string[] {
    this.#process.enterCall();
    const { node } = this.#find(path, 'scandir', true);
    if (node === undefined) throw systemError('ENOENT', 'scandir', path);
    if (node.type !== 'directory') throw systemError('ENOTDIR', 'scandir', path);
    return this.#process.machine.world.chance.shuffle([...node.entries.keys()]);
  }

  realPath(path: string): string {
    const { node } = this.#find(path, 'realpath', true);
    if (node === undefined) throw systemError('ENOENT', 'realpath', path);
    return node.path === '' ? '/' : node.path;
  }

  linkTarget(path: string): string {
    const { node } = this.#find(path, 'readlink', false);
    if (node === undefined) throw systemError('ENOENT', 'readlink', path);
    if (node.type !== 'symlink') throw systemError('EINVAL', 'readlink', path);
    return node.target;
  }

  makeDirectory(path: string, mode = 0o777): void {
    this.#process.enterCall();
    const { parent, name, node } = this.#find(path, 'mkdir', false);
    if (node !== undefined) throw systemError('EEXIST', 'mkdir', path);
    this.#checkWritable('mkdir', path);
    this.#disk.makeDirectory(parent, name, mode);
  }

  removeDirectory(path: string): void {
    this.#process.enterCall();
    const { parent, name, node } = this.#find(path, 'rmdir', false);
    if (node === undefined) throw systemError('ENOENT', 'rmdir', path);
    if (node.type !== 'directory') throw systemError('ENOTDIR', 'rmdir', path);
    this.#checkWritable('rmdir', path);
    if (node.entries.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path);
    node.isGone = true;
    this.#disk.setNames([{ directory: parent, name, node: undefined }]);
  }

  unlink(path: string): void {
    this.#process.enterCall();
    const { parent, name, node } = this.#find(path, 'unlink', false);
    if (node === undefined) throw systemError('ENOENT', 'unlink', path);
    this.#checkWritable('unlink', path);
    if (node.type === 'directory') throw systemError('EISDIR', 'unlink', path);
    this.#disk.setNames([{ directory: parent, name, node: undefined }]);
  }

  link(from: string, to: string): void {
    this.#process.enterCall();
    const source = this.#find(from, 'link', false).node;
    if (source === undefined) throw systemError('ENOENT', 'link', from);
    const { parent, name, node } = this.#find(to, 'link', false);
    if (node !== undefined) throw systemError('EEXIST', 'link', to);
    this.#checkWritable('link', to);
    this.#disk.setNames([{ directory: parent, name, node: source }]);
  }

  makeLink(target: string, path: string): void {
    this.#process.enterCall();
    const { parent, name, node } = this.#find(path, 'symlink', false);
    if (node !== undefined) throw systemError('EEXIST', 'symlink', path);
    this.#checkWritable('symlink', path);
    this.#disk.makeLink(parent, name, target);
  }

  rename(from: string, to: string): void {
    this.#process.enterCall();
    const source = this.#find(from, 'rename', false);
    const target = this.#find(to, 'rename', false);
    if (source.node === undefined) throw systemError('ENOENT', 'rename', from);
    this.#checkWritable('rename', to);
    // Two names of one file stay.
    if (source.node === target.node) return;
    if (target.node?.type === 'directory' && source.node.type !== 'directory')
      throw systemError('EISDIR', 'rename', to);
    this.#disk.setNames([
      { directory: source.parent, name: source.name, node: undefined },
      { directory: target.parent, name: target.name, node: source.node },
    ]);
    this.#disk.touch(source.node.attributes, 'attributes');
    this.#process.machine.world.trace.say(this.#process.name, () => `rename ${from} ${to}`);
  }

  setMode(at: string | number, mode: number): void {
    const { attributes, path } = this.#nodeAt(at, 'chmod');
    this.#checkWritable('chmod', path);
    attributes.mode = mode & 0o7777;
    this.#disk.touch(attributes, 'attributes');
  }

  setModified(at: string | number, mtimeNs: bigint): void {
    const { attributes, path } = this.#nodeAt(at, 'utimensat');
    this.#checkWritable('utimensat', path);
    this.#disk.touch(attributes, 'attributes');
    attributes.mtimeNs = mtimeNs;
  }

  get #disk(): Disk {
    return this.#process.machine.disk;
  }

  /** To be called where a call would change something. @throws EROFS */
  #checkWritable(call: string, path: string): void {
    const { trouble, world } = this.#process.machine;
    if (!trouble.isReadOnly) return;
    world.met('read-only disk');
    world.onRefused(this.#process, path, undefined);
    throw systemError('EROFS', call, path);
  }

  #failsNow(): boolean {
    const { trouble, world } = this.#process.machine;
    if (trouble.failingSyncs === 0) return false;
    trouble.failingSyncs -= 1;
    world.met('failed sync');
    world.trace.say(this.#process.name, () => 'SYNC FAILS');
    return true;
  }

  #nodeAt(at: string | number, call: string): Node {
    this.#process.enterCall();
    if (typeof at === 'number') return this.#opened(at, call).node;
    const { node } = this.#find(at, call, false);
    if (node === undefined) throw systemError('ENOENT', call, at);
    return node;
  }

  #find(path: string, call: string, follow: boolean): Resolved {
    return resolvePath(this.#disk.root, path, {
      call,
      follow,
      directoryOf: (fd) => {
        const { node } = this.#opened(fd, call);
        if (node.type === 'directory') return node;
        throw systemError('ENOTDIR', call, path);
      },
    });
  }

  #create({ parent, name }: Resolved, bits: number, mode: number, path: string): FileNode {
    if ((bits & constants.O_CREAT) === 0 || parent.isGone) throw systemError('ENOENT', 'open', path);
    this.#checkWritable('open', path);
    return this.#disk.makeFile(parent, name, mode);
  }

  #opened(fd: number, call: string): OpenFile {
    const file = this.#open.get(fd);
    if (file === undefined) throw systemError('EBADF', call);
    return file;
  }

  #file(fd: number, call: string): FileNode {
    const { node } = this.#opened(fd, call);
    if (node.type === 'file') return node;
    throw systemError('EISDIR', call, node.path);
  }
}
