/** One simulated TCP connection: two ends, bytes in order, and everything that can happen to them on the way. */
import type { Chance } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';

/** What goes over a connection: heads of requests and answers, pieces of their bodies, and their ends. */
export type Frame =
  | { readonly type: 'request'; readonly method: string; readonly path: string; readonly headers: Headers }
  | {
      readonly type: 'response';
      readonly status: number;
      readonly headers: Headers;
      /** Nothing follows: it is the answer to HEAD. */
      readonly isWhole: boolean;
    }
  | { readonly type: 'body'; readonly bytes: Buffer }
  | { readonly type: 'end' };

/** Header fields by their names in lower case. */
export type Headers = Readonly<Record<string, string>>;

/** Answers that refuse a chunk are shorter than this. */
const LEAST_DAMAGED_BYTES = 2000;

/** One side of a connection, as the program there uses it. */
export class End {
  isOpen = true;
  onFrame: (frame: Frame) => void = () => undefined;
  /** Told once when the connection is over and this side did not end it; `code` as Node says it. */
  onClosed: (code: string) => void = () => undefined;
  peer!: End;
  readonly #connection: Connection;
  #lastArrivalMs = 0;
  /** Bytes that still get through in this direction before the connection is cut. */
  fuseBytes = Infinity;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Sends a frame to the other side; on a broken connection it goes nowhere. */
  send(frame: Frame): void {
    if (!this.isOpen) return;
    if (frame.type === 'request') this.#connection.asks(frame.method, frame.path);
    const bytes = frame.type === 'body' ? frame.bytes.length : 200;
    if (bytes > this.fuseBytes) {
      this.#connection.lost(this, frame);
      if (frame.type === 'body' && this.fuseBytes > 0) {
        this.#deliver({ type: 'body', bytes: frame.bytes.subarray(0, this.fuseBytes) });
      }
      this.fuseBytes = 0;
      this.#connection.cut();
      return;
    }
    this.fuseBytes -= bytes;
    this.#deliver(frame.type === 'body' ? this.#connection.damaged(this, frame) : frame);
  }

  /** The program ends the connection; the other side learns of it when it has got what was sent before. */
  destroy(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const { peer } = this;
    this.#connection.later(this.#arrivalMs(), () => peer.close('ECONNRESET'));
  }

  /** The connection is over for this side. */
  close(code: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.onClosed(code);
  }

  #deliver(frame: Frame): void {
    const { peer } = this;
    const connection = this.#connection;
    connection.later(this.#arrivalMs(), () => {
      if (peer.isOpen && !connection.isSilent) peer.onFrame(frame);
      else connection.lost(this, frame);
    });
  }

  #arrivalMs(): number {
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, this.#connection.arrivalMs());
    return this.#lastArrivalMs;
  }
}

/** A connection between two processes. */
export class Connection {
  readonly client = new End(this);
  readonly server = new End(this);
  /** Nothing gets through any more, and nobody is told. */
  isSilent = false;
  /** Who sends the bytes of a chunk now. */
  #chunkSender: End | undefined;
  /** Probability that a piece of a chunk arrives now with another bit than was sent. */
  flipProbability = (): number => 0;
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly #latencyMs: number;
  readonly #met: (what: string) => void;

  constructor(scheduler: Scheduler, chance: Chance, latencyMs: number, met: (what: string) => void) {
    this.#met = met;
    this.#scheduler = scheduler;
    this.#chance = chance;
    this.#latencyMs = latencyMs;
    this.client.peer = this.server;
    this.server.peer = this.client;
  }

  /** Something that was sent will never arrive. */
  lost(sender: End, { type }: Frame): void {
    if (type === 'request') this.#met('lost request');
    else if (type === 'response' && sender === this.server) this.#met('lost answer');
    else if (type === 'body' && sender === this.client) this.#met('cut body');
  }

  /** A request goes by. */
  asks(method: string, path: string): void {
    const isOfChunk = path.includes('/chunks/');
    this.#chunkSender = isOfChunk ? (method === 'PUT' ? this.client : this.server) : undefined;
  }

  /** A piece of a body as it arrives: only bytes of chunks are damaged, what else is sent is not covered by a digest. */
  damaged(sender: End, frame: Frame & { type: 'body' }): Frame {
    const mayBe = sender === this.#chunkSender && frame.bytes.length >= LEAST_DAMAGED_BYTES;
    if (!mayBe || !this.#chance.is(this.flipProbability())) return frame;
    this.#met('flipped bit');
    const bytes = Buffer.from(frame.bytes);
    const at = this.#chance.int(0, bytes.length);
    bytes[at] = bytes[at]! ^ (1 << this.#chance.int(0, 8));
    return { type: 'body', bytes };
  }

  /** When something that is sent now arrives, unless something before it is late. */
  arrivalMs(): number {
    return this.#scheduler.nowMs + this.#latencyMs * (0.5 + this.#chance.next());
  }

  later(atMs: number, run: () => void): void {
    this.#scheduler.after(atMs - this.#scheduler.nowMs, run);
  }

  /** The connection breaks; each side learns of it in its own time, and gets what was on its way until then. */
  cut(): void {
    for (const end of [this.client, this.server]) {
      this.later(this.arrivalMs() + this.#chance.next() * this.#chance.next() * 200, () => {
        if (!this.isSilent) end.close('ECONNRESET');
      });
    }
  }
}
