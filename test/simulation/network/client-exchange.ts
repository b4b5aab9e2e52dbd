/** One request of a client and its answer. */
import type { SimulatedProcess } from '../system/process.ts';
import type { ClientSocket } from './client-pool.ts';
import type { Frame } from './connection.ts';

/** What undici's `request` is given. */
export interface PoolRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array> | null;
  readonly signal: AbortSignal | null;
}

/** What undici's `request` answers. */
export interface PoolResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: AsyncIterable<Uint8Array> & { dump(): Promise<void> };
}

/** How long the socket takes for a piece of a request's body, in milliseconds. */
const PIECE_MS = 0.3;

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** See the file. */
export class ClientExchange {
  readonly #process: SimulatedProcess;
  readonly #request: PoolRequest;
  #socket: ClientSocket | undefined;
  #release: () => void = () => undefined;
  #failure: Error | undefined;
  #head: { status: number; headers: Readonly<Record<string, string>> } | undefined;
  readonly #pieces: Buffer[] = [];
  #isAnswered = false;
  #isSent = false;
  #waiter: Waiter | undefined;

  constructor(process: SimulatedProcess, request: PoolRequest) {
    this.#process = process;
    this.#request = request;
  }

  checkAborted(): void {
    if (this.#request.signal?.aborted === true) throw this.#abortion();
  }

  /** Sends the request and resolves with the head of the answer. */
  async start(socket: ClientSocket, release: () => void): Promise<PoolResponse> {
    this.#socket = socket;
    this.#release = release;
    if (!socket.end.isOpen) throw Object.assign(new Error('simulated'), { code: 'UND_ERR_SOCKET' });
    const { method, path, headers, signal } = this.#request;
    const onAbort = (): void => socket.destroy(this.#abortion());
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    this.#letGo = () => signal?.removeEventListener('abort', onAbort);
    const all = { host: 'server', ...headers };
    this.#process.network.observer?.requestSent({ client: this.#process, method, path, headers: all });
    socket.end.send({ type: 'request', method, path, headers: all });
    void this.#send(socket);
    while (this.#head === undefined) await this.#wait();
    const { status, headers: answered } = this.#head;
    return {
      statusCode: status,
      headers: answered,
      body: { [Symbol.asyncIterator]: () => this.#body(), dump: () => this.#dump() },
    };
  }

  /** Something came in. */
  take(frame: Frame): void {
    if (frame.type === 'response') this.#head = frame;
    if (frame.type === 'body') this.#pieces.push(frame.bytes);
    if (frame.type === 'end' || (frame.type === 'response' && frame.isWhole)) {
      this.#isAnswered = true;
      // As undici does: nobody waits for the rest of a body whose answer is there.
      if (this.#isSent) this.#over();
      else this.#socket?.destroy();
    }
    this.#wake();
  }

  fail(error: Error): void {
    this.#letGo();
    if (this.#isAnswered) return;
    this.#failure = error;
    this.#waiter?.reject(error);
    this.#waiter = undefined;
  }

  /** Waits for `work` unless the request's signal ends first. */
  async unlessAborted(work: Promise<void>): Promise<void> {
    const { signal } = this.#request;
    let onAbort = (): void => undefined;
    const aborted = new Promise<void>((resolve) => {
      onAbort = resolve;
      signal?.addEventListener('abort', onAbort, { once: true });
    });
    await Promise.race([work, aborted]);
    signal?.removeEventListener('abort', onAbort);
  }

  #letGo: () => void = () => undefined;

  #over(): void {
    this.#letGo();
    this.#release();
  }

  async #send(socket: ClientSocket): Promise<void> {
    const { body } = this.#request;
    try {
      for await (const piece of body ?? []) {
        if (!socket.end.isOpen || this.#isAnswered) return;
        socket.moved();
        socket.end.send({ type: 'body', bytes: Buffer.from(piece) });
        await new Promise<void>((resolve) => void this.#process.after(PIECE_MS, resolve));
      }
      this.#isSent = true;
      socket.end.send({ type: 'end' });
    } catch (error) {
      socket.destroy(error as Error);
    }
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    let isWhole = false;
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) yield piece;
        else if (this.#isAnswered) break;
        else await this.#wait();
      }
      isWhole = true;
    } finally {
      // Whoever stops early gives the connection up.
      if (!isWhole && !this.#isAnswered) this.#socket?.destroy();
    }
  }

  /** As undici does: reads what is left, and takes a connection that breaks for its end. */
  async #dump(): Promise<void> {
    while (!this.#isAnswered && this.#failure === undefined) await this.#wait().catch(() => undefined);
  }

  #wait(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  #wake(): void {
    this.#waiter?.resolve();
    this.#waiter = undefined;
  }

  #abortion(): Error {
    return new DOMException('simulated: aborted', 'AbortError');
  }
}
