/** One request of a client and its answer. */
import type { BodyListener, BodySource } from '../../../src/base/body-reader.ts';
import type { SocketAnswer, SocketRequest } from '../../../src/client/http/http-socket.ts';
import type { SimulatedProcess } from '../system/process.ts';
import type { ClientSocket } from './client-socket.ts';
import type { Frame } from './connection.ts';

/** How long the socket takes for a piece of a request's body, in milliseconds. */
const PIECE_MS = 0.3;

interface Waiter {
  readonly resolve: (answer: SocketAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** See the file. */
export class ClientExchange {
  readonly #process: SimulatedProcess;
  readonly #request: SocketRequest;
  #socket: ClientSocket | undefined;
  #onFree: () => void = () => undefined;
  #failure: Error | undefined;
  /** Told the answer's head, or why there is none. */
  #waiter: Waiter | undefined;
  /** What came of the body before somebody listened. */
  readonly #pieces: Buffer[] = [];
  #listener: BodyListener | undefined;
  #isAnswered = false;
  /** Whether the server ends the connection after this answer. */
  #isLast = false;
  #isSent = false;
  #letGo: () => void = () => undefined;

  constructor(process: SimulatedProcess, request: SocketRequest) {
    this.#process = process;
    this.#request = request;
  }

  /** Sends the request and resolves with the head of the answer; the network of the world knows no upgrades. */
  start(socket: ClientSocket, onFree: () => void): Promise<SocketAnswer> {
    const { method, path, headers, signal, isUpgrade } = this.#request;
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (isUpgrade === true || socket.destroyed)
      return Promise.reject(Object.assign(new Error('simulated'), { code: 'ECONNRESET' }));
    this.#socket = socket;
    this.#onFree = onFree;
    socket.exchange = this;
    const onAbort = (): void => socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#letGo = () => signal.removeEventListener('abort', onAbort);
    this.#process.network.observer?.requestSent({ client: this.#process, method, path, headers });
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      socket.end.send({ type: 'request', method, path, headers });
      void this.#send(socket);
    });
  }

  /** Something came in. */
  take(frame: Frame): void {
    if (frame.type === 'response') {
      this.#isLast = frame.headers['connection'] === 'close';
      this.#waiter?.resolve(this.#answerOf(frame.status, frame.headers));
    }
    if (frame.type === 'body') {
      if (this.#listener === undefined) this.#pieces.push(frame.bytes);
      else this.#listener.data(frame.bytes);
    }
    if (frame.type === 'end' || (frame.type === 'response' && frame.isWhole)) this.#ended();
  }

  fail(error: Error): void {
    this.#letGo();
    if (this.#isAnswered) return;
    this.#failure = error;
    this.#waiter?.reject(error);
    this.#listener?.cut();
  }

  #ended(): void {
    this.#isAnswered = true;
    this.#listener?.end();
    // Nobody waits for the rest of a body whose answer is there, and nothing may follow it.
    if (!this.#isSent) this.#socket?.destroy();
    else if (this.#listener !== undefined) this.#over();
  }

  #over(): void {
    const socket = this.#socket!;
    this.#letGo();
    socket.exchange = undefined;
    if (this.#isLast) socket.destroy();
    else this.#onFree();
  }

  #answerOf(status: number, headers: Readonly<Record<string, string>>): SocketAnswer {
    return {
      status,
      header: (name) => headers[name],
      body: this.#body(),
      switched: undefined,
      failure: () => this.#failure,
      end: () => {
        if (!this.#isAnswered) this.#socket?.destroy();
      },
    };
  }

  #body(): BodySource {
    return {
      maxWaitingBytes: Infinity,
      listen: (listener) => {
        this.#listener = listener;
        for (const piece of this.#pieces.splice(0)) listener.data(piece);
        if (this.#failure !== undefined) listener.cut();
        if (!this.#isAnswered) return;
        listener.end();
        if (this.#isSent) this.#over();
      },
      taken: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
      stop: () => (this.#listener = SILENT),
    };
  }

  async #send(socket: ClientSocket): Promise<void> {
    const { body } = this.#request;
    try {
      for await (const piece of body?.pieces ?? []) {
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
}

const SILENT: BodyListener = { data: () => undefined, end: () => undefined, cut: () => undefined };
