/** The metadata of the entries of a table in little memory: most of them share a few texts, which are kept once. */
import { StringTable } from './string-table.ts';

/** Numbers lie in pages of so many entries, so a column grows without a copy. */
const PAGE_ENTRIES = 4096;
/** Only so many texts are looked for again, and only short ones: a hostile tree may have another for each entry. */
const MAX_SHARED = 4096;
const MAX_SHARED_CHARACTERS = 512;

/** The texts of the entries of a table, by their index; empty where there is none. */
export class MetadataColumn {
  readonly #texts = new StringTable();
  readonly #shared = new Map<string, number>();
  /** A number for each entry: that of its text, from 1 on; 0 for none. */
  readonly #pages: (Uint32Array | undefined)[] = [];

  set(index: number, text: string): void {
    if (text === '') return;
    const page = Math.floor(index / PAGE_ENTRIES);
    this.#pages[page] ??= new Uint32Array(PAGE_ENTRIES);
    this.#pages[page][index % PAGE_ENTRIES] = this.#numberOf(text);
  }

  at(index: number): string {
    const number = this.#pages[Math.floor(index / PAGE_ENTRIES)]?.[index % PAGE_ENTRIES] ?? 0;
    return number === 0 ? '' : this.#texts.at(number - 1)!;
  }

  #numberOf(text: string): number {
    const known = this.#shared.get(text);
    if (known !== undefined) return known;
    this.#texts.push(text);
    const { length } = this.#texts;
    if (text.length <= MAX_SHARED_CHARACTERS) {
      if (this.#shared.size >= MAX_SHARED) this.#shared.clear();
      this.#shared.set(text, length);
    }
    return length;
  }
}
