/** Keeps very many short strings in little memory: as UTF-8 bytes in large pieces, without an object for each. */

const SEGMENT_BYTES = 64 * 1024;
/** Positions lie in pages of so many strings, so a table grows without a copy. */
const PAGE_STRINGS = 8192;
/** Length that marks a string with a segment of its own, which it fills. */
const WHOLE_SEGMENT = 0xffff;
/** Most bytes that UTF-8 needs for one UTF-16 code unit. */
const MAX_BYTES_PER_UNIT = 3;

/** Strings in order, made on request. */
export interface StringList extends Iterable<string> {
  readonly length: number;
  /** The string at an index; undefined behind the end. */
  at(index: number): string | undefined;
}

/** A {@link StringList} that grows at its end. Strings are well-formed Unicode. */
export class StringTable implements StringList {
  readonly #segments: Buffer[] = [];
  /** Two numbers a string: its segment, and its offset there with its length in the lower half. */
  readonly #pages: Uint32Array[] = [];
  #open = -1;
  #usedBytes = SEGMENT_BYTES;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(text: string): void {
    const slot = (this.#length % PAGE_STRINGS) * 2;
    if (slot === 0) this.#pages.push(new Uint32Array(PAGE_STRINGS * 2));
    const page = this.#pages.at(-1)!;
    const leftBytes = SEGMENT_BYTES - this.#usedBytes;
    // Most strings need not be measured.
    const lengthBytes = text.length * MAX_BYTES_PER_UNIT <= leftBytes ? undefined : Buffer.byteLength(text);
    if (lengthBytes !== undefined && lengthBytes >= WHOLE_SEGMENT) {
      page[slot] = this.#segments.push(Buffer.from(text)) - 1;
      page[slot + 1] = WHOLE_SEGMENT;
    } else {
      if (lengthBytes !== undefined && lengthBytes > leftBytes) this.#openSegment();
      const written = this.#segments[this.#open]?.write(text, this.#usedBytes) ?? 0;
      page[slot] = Math.max(this.#open, 0);
      page[slot + 1] = (this.#usedBytes % SEGMENT_BYTES) * 0x1_0000 + written;
      this.#usedBytes += written;
    }
    this.#length += 1;
  }

  at(index: number): string | undefined {
    if (!Number.isInteger(index) || index < 0 || index >= this.#length) return undefined;
    const page = this.#pages[Math.floor(index / PAGE_STRINGS)]!;
    const slot = (index % PAGE_STRINGS) * 2;
    const place = page[slot + 1]!;
    const lengthBytes = place % 0x1_0000;
    if (lengthBytes === 0) return '';
    const segment = this.#segments[page[slot]!]!;
    if (lengthBytes === WHOLE_SEGMENT) return segment.toString();
    const from = place >>> 16;
    return segment.toString('utf8', from, from + lengthBytes);
  }

  *[Symbol.iterator](): Generator<string> {
    for (let index = 0; index < this.#length; index += 1) yield this.at(index)!;
  }

  #openSegment(): void {
    this.#open = this.#segments.push(Buffer.allocUnsafeSlow(SEGMENT_BYTES)) - 1;
    this.#usedBytes = 0;
  }
}
