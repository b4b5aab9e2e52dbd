/** What `stat` answers. */
import type { Node } from './inode.ts';

const FORMAT = { file: 0o100_000, directory: 0o040_000, symlink: 0o120_000 } as const;

/** The part of Node's `Stats` and `BigIntStats` that cairn looks at. */
export class SimulatedStats {
  readonly #type: Node['type'];
  readonly dev: number | bigint;
  readonly ino: number | bigint;
  readonly mode: number | bigint;
  readonly uid: number | bigint;
  readonly size: number | bigint;
  readonly mtimeNs: bigint;
  readonly mtimeMs: number;
  readonly ctimeNs: bigint;

  constructor(node: Node, options: { bigint: boolean }) {
    const as = (value: number | bigint): number | bigint => (options.bigint ? BigInt(value) : Number(value));
    this.#type = node.type;
    this.dev = as(1);
    this.ino = as(node.ino);
    this.mode = as(FORMAT[node.type] | node.attributes.mode);
    this.uid = as(0);
    this.size = as(node.type === 'file' ? node.size : node.type === 'symlink' ? node.target.length : 4096);
    this.mtimeNs = node.attributes.mtimeNs;
    this.mtimeMs = Number(node.attributes.mtimeNs / 1_000_000n);
    this.ctimeNs = node.attributes.ctimeNs;
  }

  isFile(): boolean {
    return this.#type === 'file';
  }

  isDirectory(): boolean {
    return this.#type === 'directory';
  }

  isSymbolicLink(): boolean {
    return this.#type === 'symlink';
  }

  isFIFO(): boolean {
    return false;
  }

  isSocket(): boolean {
    return false;
  }
}
