/** What lies on a simulated disk: content as programs see it, and content as a power cut leaves it. */
import type { Chance } from '../random.ts';

/** Bytes that grow; what was given whole is shared until the first change. */
class Content {
  #buffer: Buffer = NOTHING;
  #isShared = true;
  size = 0;

  /** Takes these bytes, which nobody changes, as they are. */
  adopt(bytes: Buffer): void {
    this.#buffer = bytes;
    this.#isShared = true;
    this.size = bytes.length;
  }

  write(at: number, bytes: Uint8Array): void {
    const end = at + bytes.byteLength;
    this.#reserve(Math.max(end, this.size));
    if (at > this.size) this.#buffer.fill(0, this.size, at);
    this.#buffer.set(bytes, at);
    this.size = Math.max(this.size, end);
  }

  truncate(size: number): void {
    this.#reserve(Math.max(size, this.size));
    if (size > this.size) this.#buffer.fill(0, this.size, size);
    this.size = size;
  }

  /** A view, valid until the next change. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.size);
  }

  #reserve(size: number): void {
    if (size <= this.#buffer.length && !this.#isShared) return;
    const grown = Buffer.allocUnsafe(
      size <= this.size ? size : Math.max(size, Math.ceil(1.5 * this.#buffer.length)),
    );
    this.#buffer.copy(grown, 0, 0, this.size);
    this.#buffer = grown;
    this.#isShared = false;
  }
}

const NOTHING = Buffer.alloc(0);

/** Bytes that were written since the last sync, or a new size. Of bytes that were written twice only the last are kept. */
type Change = { readonly at: number; readonly to: number; readonly size?: never } | { readonly size: number };

/** Everything that an inode has beside its content. */
export interface Attributes {
  mode: number;
  mtimeNs: bigint;
  ctimeNs: bigint;
}

let tornWrites = 0;

/** How many writes a power cut has torn since the start of this process; for the report of what a run has met. */
export function countTornWrites(): number {
  return tornWrites;
}

/** A regular file. */
export class FileNode {
  readonly type = 'file';
  readonly attributes: Attributes;
  #durableAttributes: Attributes;
  /** Something of it was lost that no sync of this very file has told of. */
  hasUntoldLoss = false;
  /** The path under which it was last made or renamed; for checks, which want to know whose content it is. */
  path: string;
  readonly #content = new Content();
  readonly #durable = new Content();
  #unsynced: Change[] = [];

  readonly ino: bigint;

  constructor(ino: bigint, path: string, attributes: Attributes) {
    this.ino = ino;
    this.path = path;
    this.attributes = attributes;
    this.#durableAttributes = { ...attributes };
  }

  get size(): number {
    return this.#content.size;
  }

  /** The bytes as programs see them; valid until the next change. */
  get bytes(): Buffer {
    return this.#content.view();
  }

  /** The bytes that no power cut can take. */
  get durableBytes(): Buffer {
    return this.#durable.view();
  }

  /** Whether a power cut now could leave something else than programs see. */
  get isDirty(): boolean {
    return this.#unsynced.length > 0 || !this.#durable.view().equals(this.#content.view());
  }

  get durableAttributes(): Readonly<Attributes> {
    return this.#durableAttributes;
  }

  write(at: number, bytes: Uint8Array): void {
    this.#unsynced.push({ at, to: at + bytes.byteLength });
    this.#content.write(at, bytes);
  }

  /** What was there before the world began: durable. */
  seed(bytes: Buffer): void {
    this.#content.adopt(bytes);
    this.#durable.adopt(bytes);
  }

  truncate(size: number): void {
    this.#unsynced.push({ size });
    this.#content.truncate(size);
  }

  /** Everything that was written is durable; attributes too unless this is only `fdatasync`. */
  sync(how: 'data' | 'all'): void {
    for (const change of this.#unsynced) this.#apply(change);
    this.#unsynced = [];
    if (how === 'all') this.#durableAttributes = { ...this.attributes };
  }

  /**
   * A sync that fails: what was written is lost, although programs still see it, or do not see it any more; a later
   * sync will find nothing to do and say that all is well.
   */
  failSync(chance: Chance): void {
    for (const change of this.#unsynced) if (chance.is(0.5)) this.#applyTorn(change, chance);
    this.#unsynced = [];
    if (chance.is(0.5)) this.#content.adopt(Buffer.from(this.#durable.view()));
  }

  /** What a power cut leaves: of each write all, a part, or nothing. */
  cutPower(chance: Chance): void {
    for (const change of this.#unsynced) {
      const fate = chance.next();
      if (fate < 0.35) this.#apply(change);
      else if (fate < 0.65) this.#applyTorn(change, chance);
    }
    this.#unsynced = [];
    this.#content.adopt(Buffer.from(this.#durable.view()));
    if (chance.is(0.5)) this.#durableAttributes = { ...this.attributes };
    else Object.assign(this.attributes, this.#durableAttributes);
  }

  #apply(change: Change): void {
    if (change.size !== undefined) this.#durable.truncate(change.size);
    else this.#keep(change.at, change.to);
  }

  #applyTorn(change: Change, chance: Chance): void {
    if (change.size !== undefined) return;
    tornWrites += 1;
    const from = chance.is(0.7) ? change.at : chance.int(change.at, change.to + 1);
    this.#keep(from, chance.int(from, change.to + 1));
  }

  /** Bytes that programs see become durable, as far as they are still there. */
  #keep(from: number, to: number): void {
    this.#durable.write(from, this.#content.view().subarray(from, to));
  }
}

/** A directory; what its names lead to on a disk after a power cut is the business of the disk. */
export class DirectoryNode {
  readonly type = 'directory';
  readonly entries = new Map<string, Node>();
  readonly durableEntries = new Map<string, Node>();
  /** Its name was removed: nothing can be made in it any more. */
  isGone = false;
  readonly ino: bigint;
  path: string;
  readonly attributes: Attributes;

  constructor(ino: bigint, path: string, attributes: Attributes) {
    this.ino = ino;
    this.path = path;
    this.attributes = attributes;
  }
}

/** A symbolic link. */
export class LinkNode {
  readonly type = 'symlink';

  readonly ino: bigint;
  path: string;
  readonly attributes: Attributes;
  readonly target: string;

  constructor(ino: bigint, path: string, attributes: Attributes, target: string) {
    this.ino = ino;
    this.path = path;
    this.attributes = attributes;
    this.target = target;
  }
}

/** Anything that a name can lead to. */
export type Node = FileNode | DirectoryNode | LinkNode;
