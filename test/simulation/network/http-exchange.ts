/** One request and its answer on a simulated server, with the part of Node's interface that cairn uses. */
import { EventEmitter } from 'node:events';
import type { SimulatedProcess } from '../system/process.ts';
import type { End } from './connection.ts';
import { IdleWatch } from './idle-watch.ts';
import type { SeenRequest } from './network.ts';

/** How long it takes until what is written has left the process, in milliseconds. */
const FLUSH_MS = 0.1;

/** The server's side of a connection. */
export class SimulatedSocket {
  readonly process: SimulatedProcess;
  readonly end: End;
  request: SimulatedRequest | undefined;
  #response: SimulatedResponse | undefined;
  readonly #onOver: () => void;
  readonly #idle: IdleWatch;

  constructor(process: SimulatedProcess, end: End, onOver: () => void) {
    this.process = process;
    this.end = end;
    this.#onOver = onOver;
    this.#idle = new IdleWatch(process);
  }

  /** Whether no answer is due. */
  get isIdle(): boolean {
    return this.#response === undefined || this.#response.isFinished;
  }

  begin(request: SimulatedRequest, response: SimulatedResponse): void {
    this.request = request;
    this.#response = response;
  }

  /** A connection on which nothing moves for so long is ended; 0 for never. */
  setTimeout(idleMs: number): this {
    this.#idle.set(this.end.isOpen ? idleMs : 0, () => this.destroy());
    return this;
  }

  /** Something moved on the connection. */
  moved(): void {
    this.#idle.moved();
  }

  /** This side ends the connection. */
  destroy(): void {
    if (!this.end.isOpen) return;
    this.end.destroy();
    this.#over();
  }

  /** The other side, or the network, has ended the connection. */
  lose(): void {
    if (this.process.isAlive) this.#over();
  }

  #over(): void {
    this.#idle.set(0, () => undefined);
    this.request?.close();
    this.#response?.close();
    this.#onOver();
  }
}

/** Node's `IncomingMessage`. */
export class SimulatedRequest extends EventEmitter {
  readonly socket: SimulatedSocket;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: readonly string[];
  complete = false;
  destroyed = false;
  #waiting: (Buffer | 'end')[] = [];
  #isFlowing = false;
  #isOver = false;

  constructor(socket: SimulatedSocket, { method, path, headers }: SeenRequest) {
    super();
    this.socket = socket;
    this.method = method;
    this.url = path;
    this.headers = headers;
    this.rawHeaders = Object.entries(headers).flat();
  }

  /** Listening to data makes it flow. */
  override on(event: string, listener: (...given: unknown[]) => void): this {
    super.on(event, listener);
    if (event === 'data') this.resume();
    return this;
  }

  resume(): this {
    if (this.#isFlowing) return this;
    this.#isFlowing = true;
    this.socket.process.soon(() => this.#flow());
    return this;
  }

  pause(): this {
    this.#isFlowing = false;
    return this;
  }

  destroy(): this {
    this.socket.destroy();
    return this;
  }

  take(bytes: Buffer): void {
    this.socket.moved();
    this.#waiting.push(bytes);
    this.#flow();
  }

  /** The body is whole. */
  finish(): void {
    this.complete = true;
    this.#waiting.push('end');
    this.#flow();
  }

  close(): void {
    if (this.#isOver || this.destroyed) return;
    this.destroyed = true;
    if (!this.complete) this.emit('error', Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
    this.emit('close');
  }

  #flow(): void {
    while (this.#isFlowing) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (next !== 'end') {
        this.emit('data', next);
        continue;
      }
      this.#isOver = true;
      this.emit('end');
      this.emit('close');
    }
  }
}

/** Node's `ServerResponse`. */
export class SimulatedResponse extends EventEmitter {
  headersSent = false;
  writableEnded = false;
  destroyed = false;
  closed = false;
  isFinished = false;
  readonly #socket: SimulatedSocket;
  readonly #isHead: boolean;
  readonly #onAnswer: (status: number, body: Buffer) => void;
  #headers: Record<string, string> = {};
  #status = 200;
  readonly #sent: Buffer[] = [];

  constructor(socket: SimulatedSocket, seen: SeenRequest, onAnswer: (status: number, body: Buffer) => void) {
    super();
    this.#socket = socket;
    this.#isHead = seen.method === 'HEAD';
    this.#onAnswer = onAnswer;
  }

  setHeader(name: string, value: string): this {
    this.#headers[name.toLowerCase()] = value;
    return this;
  }

  removeHeader(name: string): void {
    delete this.#headers[name.toLowerCase()];
  }

  writeHead(status: number, headers: Readonly<Record<string, unknown>> = {}): this {
    this.#status = status;
    for (const [name, value] of Object.entries(headers)) this.#headers[name.toLowerCase()] = String(value);
    this.headersSent = true;
    return this;
  }

  flushHeaders(): void {
    this.#sendHead();
  }

  write(bytes: Uint8Array | string, done: (error?: Error | null) => void): boolean {
    this.#sendHead();
    this.#sendBody(bytes);
    this.#socket.process.after(FLUSH_MS, () => {
      if (!this.destroyed) done(null);
    });
    return true;
  }

  end(bytes?: Uint8Array): this {
    this.writableEnded = true;
    // Before anybody can have it: what is promised in it has to be true now.
    this.#sendHead();
    if (bytes !== undefined) this.#sendBody(bytes);
    // What a dead process goes on saying for a moment is heard by nobody.
    if (!this.destroyed && this.#socket.process.isAlive)
      this.#onAnswer(this.#status, Buffer.concat(this.#sent));
    if (!this.#isHead) this.#socket.end.send({ type: 'end' });
    this.#socket.process.soon(() => this.#finish());
    return this;
  }

  destroy(): this {
    this.#socket.destroy();
    return this;
  }

  close(): void {
    if (this.closed) return;
    this.destroyed = true;
    this.closed = true;
    this.emit('close');
  }

  #finish(): void {
    if (this.destroyed) return;
    this.isFinished = true;
    this.closed = true;
    this.emit('finish');
    this.emit('close');
    if (this.#headers['connection'] === 'close') this.#socket.destroy();
  }

  #isHeadSent = false;

  #sendHead(): void {
    if (this.#isHeadSent) return;
    this.#isHeadSent = true;
    this.headersSent = true;
    const { network, machine } = this.#socket.process;
    if (machine.world.chance.is(network.trouble.closeProbability)) this.#headers['connection'] = 'close';
    this.#socket.end.send({
      type: 'response',
      status: this.#status,
      headers: this.#headers,
      isWhole: this.#isHead,
    });
  }

  #sendBody(bytes: Uint8Array | string): void {
    if (this.#isHead) return;
    const copy = Buffer.from(bytes as Uint8Array);
    this.#socket.moved();
    if (copy.length < 65_536) this.#sent.push(copy);
    this.#socket.end.send({ type: 'body', bytes: copy });
  }
}
