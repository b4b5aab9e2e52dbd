/**
 * A simulated disk: names and content, each as programs see them and as a power cut leaves them.
 *
 * It promises no more than POSIX does. Content is durable after a sync of its file, names after a sync of their
 * directory, and what was not synced survives a power cut in any combination; only a rename is whole or not at all.
 */
import type { Chance } from '../random.ts';
import { DirectoryNode, FileNode, LinkNode, type Attributes, type Node } from './inode.ts';

/** One name that came, went, or leads elsewhere now. */
interface NameChange {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

/** Told of what happens to a disk, before anybody else can act on it. */
export interface DiskObserver {
  written?(file: FileNode): void;
  synced?(file: FileNode): void;
  /** `node` is reached by another path now; `replaced` is what was there. */
  placed?(node: Node, path: string): void;
}

const KEY_SEPARATOR = '\0';

/** The disk of one machine. */
export class Disk {
  readonly root: DirectoryNode;
  observer: DiskObserver = {};
  readonly #chance: Chance;
  readonly #nowNs: () => bigint;
  /** Whether unsynced names survive in the order in which they were made, as with a journal, or in any. */
  readonly #isOrdered: boolean;
  #inodes = 2n;
  #clockTicks = 0n;
  /** Changes of names that no sync covers, the oldest first; those in one list happen together. */
  #unsyncedNames: (readonly NameChange[])[] = [];
  /** Files with content that no sync covers. */
  readonly #unsyncedFiles = new Set<FileNode>();

  constructor(chance: Chance, nowNs: () => bigint) {
    this.#chance = chance;
    this.#nowNs = nowNs;
    this.#isOrdered = chance.is(0.5);
    this.root = new DirectoryNode(1n, '', this.#attributes(0o755));
  }

  makeFile(parent: DirectoryNode, name: string, mode: number): FileNode {
    const file = new FileNode(this.#inodes++, `${parent.path}/${name}`, this.#attributes(mode));
    this.#unsyncedFiles.add(file);
    this.setNames([{ directory: parent, name, node: file }]);
    return file;
  }

  makeDirectory(parent: DirectoryNode, name: string, mode: number): DirectoryNode {
    const node = new DirectoryNode(this.#inodes++, `${parent.path}/${name}`, this.#attributes(mode));
    this.setNames([{ directory: parent, name, node }]);
    return node;
  }

  makeLink(parent: DirectoryNode, name: string, target: string): LinkNode {
    const node = new LinkNode(this.#inodes++, `${parent.path}/${name}`, this.#attributes(0o777), target);
    this.setNames([{ directory: parent, name, node }]);
    return node;
  }

  /** Changes names together; none of it is durable yet. */
  setNames(changes: readonly NameChange[]): void {
    for (const { directory, name, node } of changes) {
      if (node === undefined) directory.entries.delete(name);
      else directory.entries.set(name, node);
      this.touch(directory.attributes, 'content');
    }
    this.#unsyncedNames.push(changes);
    for (const { directory, name, node } of changes) {
      if (node !== undefined) this.#place(node, `${directory.path}/${name}`);
    }
  }

  /** A directory takes along all that is in it. */
  #place(node: Node, path: string): void {
    const isMoved = node.path !== path;
    node.path = path;
    this.observer.placed?.(node, path);
    if (!isMoved || node.type !== 'directory') return;
    for (const [name, child] of node.entries) this.#place(child, `${path}/${name}`);
  }

  write(file: FileNode, at: number, bytes: Uint8Array): void {
    this.#unsyncedFiles.add(file);
    file.write(at, bytes);
    this.touch(file.attributes, 'content');
    this.observer.written?.(file);
  }

  truncate(file: FileNode, size: number): void {
    this.#unsyncedFiles.add(file);
    file.truncate(size);
    this.touch(file.attributes, 'content');
    this.observer.written?.(file);
  }

  /** Something about an inode changed; its times say so. */
  touch(attributes: Attributes, what: 'content' | 'attributes'): void {
    // Two changes are never at the same nanosecond.
    const now = this.#nowNs() + (this.#clockTicks += 1n);
    attributes.ctimeNs = now;
    if (what === 'content') attributes.mtimeNs = now;
  }

  syncFile(file: FileNode, how: 'data' | 'all'): void {
    file.sync(how);
    if (how === 'all') this.#unsyncedFiles.delete(file);
    this.observer.synced?.(file);
  }

  failSync(file: FileNode): void {
    file.hasUntoldLoss = false;
    file.failSync(this.#chance);
  }

  /** Makes the names in a directory durable, with what has to come before them. */
  syncDirectory(directory: DirectoryNode): void {
    const due = new Set<readonly NameChange[]>();
    const names = new Set<string>();
    for (const changes of this.#unsyncedNames.toReversed()) {
      const isDue = changes.some((change) => change.directory === directory || names.has(keyOf(change)));
      if (!isDue) continue;
      due.add(changes);
      for (const change of changes) names.add(keyOf(change));
    }
    for (const changes of this.#unsyncedNames) if (due.has(changes)) makeDurable(changes);
    this.#unsyncedNames = this.#unsyncedNames.filter((changes) => !due.has(changes));
  }

  /** syncfs: all that is on the disk. */
  syncAll(): void {
    for (const file of this.#unsyncedFiles) {
      file.sync('all');
      this.observer.synced?.(file);
    }
    this.#unsyncedFiles.clear();
    for (const changes of this.#unsyncedNames) makeDurable(changes);
    this.#unsyncedNames = [];
  }

  /** A syncfs that fails: nobody knows what of it came about. */
  failSyncAll(): void {
    for (const file of this.#unsyncedFiles) {
      if (!this.#chance.is(0.5)) continue;
      file.failSync(this.#chance);
      // Each file tells of its own losses once, too.
      file.hasUntoldLoss = true;
    }
  }

  /** The power goes. What is there afterwards is what programs see from then on. */
  cutPower(): void {
    const lost = new Set<string>();
    const kept = this.#isOrdered ? this.#chance.int(0, this.#unsyncedNames.length + 1) : undefined;
    for (const [index, changes] of this.#unsyncedNames.entries()) {
      const survives =
        kept === undefined
          ? this.#chance.is(0.5) && !changes.some((change) => lost.has(keyOf(change)))
          : index < kept;
      if (survives) makeDurable(changes);
      else for (const change of changes) lost.add(keyOf(change));
    }
    this.#unsyncedNames = [];
    for (const file of this.#unsyncedFiles) file.cutPower(this.#chance);
    this.#unsyncedFiles.clear();
    restore(this.root);
  }

  /** Makes a file with this content, durable with the next sync of all: for what was there before the world began. */
  seedFile(path: string, bytes: Buffer, mtimeNs: bigint): FileNode {
    const names = path.split('/').slice(1);
    const name = names.pop()!;
    let parent = this.root;
    for (const step of names) {
      const next = parent.entries.get(step) ?? this.makeDirectory(parent, step, 0o755);
      if (next.type !== 'directory') throw new Error(`${path} leads through a ${next.type}`);
      parent = next;
    }
    const file = this.makeFile(parent, name, 0o644);
    file.seed(bytes);
    file.attributes.mtimeNs = mtimeNs;
    return file;
  }

  /** What is at a path, as programs see it or as it would be after a power cut that keeps nothing unsynced. */
  find(path: string, how: 'visible' | 'durable' = 'visible'): Node | undefined {
    let node: Node | undefined = this.root;
    for (const name of path.split('/').slice(1)) {
      if (node?.type !== 'directory') return undefined;
      node = (how === 'visible' ? node.entries : node.durableEntries).get(name);
    }
    return node;
  }

  #attributes(mode: number): Attributes {
    const nowNs = this.#nowNs();
    return { mode, mtimeNs: nowNs, ctimeNs: nowNs };
  }
}

function keyOf({ directory, name }: NameChange): string {
  return `${directory.ino}${KEY_SEPARATOR}${name}`;
}

function makeDurable(changes: readonly NameChange[]): void {
  for (const { directory, name, node } of changes) {
    if (node === undefined) directory.durableEntries.delete(name);
    else directory.durableEntries.set(name, node);
  }
}

/** Programs see again what is durable, all the way down. */
function restore(directory: DirectoryNode): void {
  directory.entries.clear();
  for (const [name, node] of directory.durableEntries) {
    directory.entries.set(name, node);
    node.path = `${directory.path}/${name}`;
    if (node.type !== 'directory') continue;
    node.isGone = false;
    restore(node);
  }
}
