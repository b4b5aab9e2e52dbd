/** What happened in a run: always as a number that two equal runs share, and as lines where somebody wants to read. */

/** Takes notes of a run. */
export class Trace {
  readonly lines: string[] = [];
  readonly #print: ((line: string) => void) | undefined;
  readonly #nowMs: () => number;
  #hash = 0x811c_9dc5;

  /** @param print where the lines go; without it only the hash is kept */
  constructor(nowMs: () => number, print?: (line: string) => void) {
    this.#nowMs = nowMs;
    this.#print = print;
  }

  /** A number that two runs of one seed have in common. */
  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** Whether lines are printed: making them costs more than the run. */
  get isVerbose(): boolean {
    return this.#print !== undefined;
  }

  /** Notes that something happened now. */
  note(kind: string, detail: number): void {
    let hash = Math.imul(this.#hash ^ Math.round(this.#nowMs() * 1000), 0x0100_0193);
    hash = Math.imul(hash ^ (kind.charCodeAt(0) * 131 + kind.length), 0x0100_0193);
    this.#hash = Math.imul(hash ^ detail, 0x0100_0193);
  }

  /** Prints a line where somebody reads. */
  say(who: string, what: () => string): void {
    if (this.#print === undefined) return;
    this.#print(`${this.#nowMs().toFixed(3).padStart(14)} ms  ${who.padEnd(8)} ${what()}`);
  }
}
