/** The body of an answer of the simulated store, as far as the S3 client uses Node's `IncomingMessage`. */

/** See the file; it ends early where the connection was cut. */
export class AnswerBody {
  complete = false;
  readonly #bytes: Buffer;
  readonly #cutAt: number | undefined;

  constructor(bytes: Buffer, cutAt?: number) {
    this.#bytes = bytes;
    this.#cutAt = cutAt;
  }

  resume(): this {
    this.complete = this.#cutAt === undefined;
    return this;
  }

  destroy(): this {
    return this;
  }

  on(): this {
    return this;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const end = this.#cutAt ?? this.#bytes.length;
    if (end > 0) yield this.#bytes.subarray(0, end);
    if (this.#cutAt !== undefined) throw Object.assign(new Error('simulated: cut'), { code: 'ECONNRESET' });
    this.complete = true;
  }
}
