/** A value that is made once, on the first call; calls in the meantime wait for the same value. */
export class SingleFlight<T> {
  readonly #make: () => Promise<T>;
  #value: Promise<T> | undefined;

  constructor(make: () => Promise<T>) {
    this.#make = make;
  }

  /** The value; a failure is thrown to all that wait for it, and the next call tries again. */
  get(): Promise<T> {
    if (this.#value !== undefined) return this.#value;
    const value = this.#make();
    this.#value = value;
    value.catch(() => {
      if (this.#value === value) this.#value = undefined;
    });
    return value;
  }

  /** The value, if it was asked for. */
  peek(): Promise<T> | undefined {
    return this.#value;
  }

  /** Puts a value in place. */
  set(value: T): void {
    this.#value = Promise.resolve(value);
  }

  /** Forgets the value; the next call makes it again. */
  forget(): void {
    this.#value = undefined;
  }

  /** Forgets the value and returns it to its closer. */
  take(): Promise<T> | undefined {
    const value = this.#value;
    this.#value = undefined;
    return value;
  }
}
