/**
 * Promise: a final path holds the old file or the new one, whole and durable before it is there; and a transfer that
 * succeeded has put exactly the source in its place.
 */
import type { FileNode, Node } from '../disk/inode.ts';
import { PLACE } from '../scenario.ts';
import type { Machine } from '../system/machine.ts';
import type { World } from '../world.ts';

/** Watches the trees that transfers publish into. */
export class Published {
  readonly #world: World;
  readonly #root: string;

  constructor(world: World) {
    this.#world = world;
    this.#root =
      world.scenario.direction === 'push' ? `${PLACE.serverRoot}/${PLACE.name}` : PLACE.destination;
  }

  /** The machine or machines that receive. */
  isReceiver(machine: Machine): boolean {
    return (machine === this.#world.server) === (this.#world.scenario.direction === 'push');
  }

  /** A name came to be. */
  placed(machine: Machine, node: Node, path: string): void {
    const relative = this.#relativeOf(machine, path);
    if (relative === undefined || node.type !== 'file') return;
    if (!this.#isWhole(relative, node.bytes)) {
      this.#world.break('old or new', `${path} was made of bytes that no version of it has`);
    } else if (node.isDirty) {
      this.#world.break('old or new', `${path} was put in its place before it was durable`);
    }
  }

  /** A file was written. */
  written(machine: Machine, file: FileNode): void {
    if (this.#relativeOf(machine, file.path) === undefined || file.size === 0) return;
    if (machine.disk.find(file.path) !== file) return;
    this.#world.break('old or new', `${file.path} was written in its place`);
  }

  /** The power of a machine went: every name leads to something whole, and none of those that were there is gone. */
  powerCut(machine: Machine): void {
    if (!this.isReceiver(machine)) return;
    for (const { path } of this.#world.scenario.files) {
      const node = machine.disk.find(`${this.#root}/${path}`);
      if (node === undefined && this.#world.scenario.old.has(path)) {
        this.#world.break('old or new', `a power cut took ${path} away`);
      }
      if (node?.type === 'file' && !this.#isWhole(path, node.bytes)) {
        this.#world.break('old or new', `a power cut left ${path} with bytes that no version of it has`);
      }
    }
  }

  /** Somebody was told that everything is published: it is there, durable, and of the source. */
  committed(machine: Machine, wanted: 'some version' | 'the last version', told: string): void {
    for (const { path, versions } of this.#world.scenario.files) {
      const node = machine.disk.find(`${this.#root}/${path}`, 'durable');
      // A file that changed while it was sent may have been left out, and named.
      if (wanted === 'some version' && versions.length > 1) continue;
      const allowed = wanted === 'some version' ? versions : versions.slice(-1);
      if (node?.type !== 'file') {
        this.#world.break('success means durable', `${told}, and ${path} is not durably there`);
      } else if (!allowed.some((version) => version.equals(node.durableBytes))) {
        this.#world.break(
          'success means verified',
          `${told}, and ${path} does not have the bytes of the source`,
        );
      }
    }
  }

  #relativeOf(machine: Machine, path: string): string | undefined {
    if (!this.isReceiver(machine) || !path.startsWith(`${this.#root}/`)) return undefined;
    const relative = path.slice(this.#root.length + 1);
    return relative.startsWith('.cairn/') ? undefined : relative;
  }

  #isWhole(relative: string, bytes: Buffer): boolean {
    const { files, old } = this.#world.scenario;
    const before = old.get(relative);
    if (before?.equals(bytes) === true) return true;
    return files.some(({ path, versions }) => path === relative && versions.some((one) => one.equals(bytes)));
  }
}
