/**
 * A connection on which messages alternate: a head that ends with an empty line, then a body whose length the head
 * states. Each side waits for the other's answer before it sends again.
 *
 * Node's and undici's parsers copy every body into new memory, 64 KiB at a time; here the kernel fills large buffers
 * that are used again (measured: a third of the CPU time of receiving).
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { BodyListener, BodySource } from './body-reader.ts';
import { CairnError } from './errors.ts';
import { giveBackReadBuffer, takeReadBuffer } from './read-buffers.ts';
import { readingInto } from './reading-memory.ts';

const HEAD_END = '\r\n\r\n';

interface HeadWaiting {
  readonly maxBytes: number;
  readonly resolve: (head: string | undefined) => void;
  readonly reject: (error: CairnError) => void;
}

interface Body {
  leftBytes: number;
  readonly listener: BodyListener;
}

/** One end of such a connection. Close it. */
export class MessageChannel {
  readonly socket: Socket;
  #head: HeadWaiting | undefined;
  #headText = '';
  #body: Body | undefined;
  /** The part of a body that arrived with its head. */
  #rest: Uint8Array | undefined;
  /** The buffers of pieces in use, the oldest first; undefined for memory that another owner has. */
  readonly #lent: (Buffer | undefined)[] = [];
  /** The buffer of the next read. */
  #posted: Buffer | undefined;
  #isCut = false;
  #failure: unknown;

  /** Takes a socket over, with the bytes that were already read from it. No other code may listen to it. */
  constructor(socket: Duplex, early: Uint8Array) {
    this.socket = this.#adopt(socket as Socket);
    this.socket.on('error', (error) => (this.#failure ??= error));
    this.socket.on('end', () => this.#cut()).on('close', () => this.#cut());
    if (early.byteLength > 0) this.#take(early, undefined);
    // A socket that has already ended emits no further event.
    if (this.socket.destroyed || this.socket.readableEnded) this.#cut();
  }

  /** The error that ended the connection, if any. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Whether the connection is closed in both directions. */
  get isOver(): boolean {
    return this.#isCut || this.socket.destroyed;
  }

  /**
   * The next head, without the empty line at its end; undefined where the connection ends.
   *
   * @throws CairnError `invalid-request` for a head of more than `maxBytes`
   */
  readHead(maxBytes: number): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#isCut) {
        resolve(undefined);
        return;
      }
      this.#head = { maxBytes, resolve, reject };
      // A caller that asks for the next message has finished with the last one, read or not.
      if (this.#rest === undefined) this.#giveBackAll();
      this.#takeRest();
    });
  }

  /**
   * The head that directly follows a head without a body, as the final answer follows an interim one.
   *
   * @throws CairnError `invalid-request` for a head of more than `maxBytes`
   */
  readNextHead(maxBytes: number): Promise<string | undefined> {
    const rest = this.#rest;
    if (rest === undefined) return this.readHead(maxBytes);
    this.#rest = undefined;
    return new Promise((resolve, reject) => {
      const head = { maxBytes, resolve, reject };
      this.#head = head;
      const left = this.#takeHead(head, rest);
      if (left !== undefined && left.byteLength > 0) {
        this.#rest = left;
        return;
      }
      this.#giveBack();
      if (!this.#isCut) this.socket.resume();
      else if (this.#head !== undefined) {
        this.#head = undefined;
        resolve(undefined);
      }
    });
  }

  /** The body that follows the last head. */
  body(lengthBytes: number): BodySource {
    return {
      // There are two buffers, and each piece is in its own.
      maxWaitingBytes: 1,
      listen: (listener) => {
        if (lengthBytes === 0) {
          listener.end();
          return;
        }
        this.#body = { leftBytes: lengthBytes, listener };
        if (this.#isCut) listener.cut();
        else this.#takeRest();
      },
      taken: () => this.#giveBack(),
      pause: () => void this.socket.pause(),
      resume: () => void this.socket.resume(),
      stop: () => (this.#body = undefined),
    };
  }

  /** Resolves when the bytes have left this process, which may then reuse their memory. @throws system errors */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(bytes, (error) => {
        if (error === undefined || error === null) resolve();
        else reject((this.#failure as Error | undefined) ?? error);
      });
    });
  }

  /** Ends the connection at once; readers and writers that wait get the error of a cut. */
  destroy(error?: CairnError): void {
    this.#failure ??= error;
    this.socket.destroy();
    this.#cut();
  }

  /**
   * Sends nothing more, and discards incoming bytes for a moment, so that a reset does not destroy the last answer.
   * Resolves when the other side has closed the connection, or at either bound.
   */
  linger({ maxMs, maxBytes }: { readonly maxMs: number; readonly maxBytes: number }): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, maxMs);
      const cut = (): void => {
        clearTimeout(timer);
        resolve();
      };
      let leftBytes = maxBytes;
      const data = (piece: Uint8Array): void => {
        this.#giveBack();
        leftBytes -= piece.byteLength;
        if (leftBytes < 0) this.destroy();
      };
      this.body(Infinity).listen({ data, end: () => undefined, cut });
      this.socket.end();
      this.socket.resume();
    });
  }

  /** Destroys the connection when no piece of it is in use any more. */
  close(): void {
    this.destroy();
    this.#giveBackAll();
  }

  #adopt(socket: Socket): Socket {
    const onread = {
      buffer: () => (this.#posted = takeReadBuffer(this.#body?.leftBytes ?? 0)),
      callback: (bytes: number, buffer: Uint8Array) => {
        this.#posted = undefined;
        return this.#take(buffer.subarray(0, bytes), buffer as Buffer);
      },
    };
    socket.setTimeout(0);
    const adopted = readingInto(socket, onread);
    if (adopted !== undefined) return adopted;
    socket.on('data', (piece: Uint8Array) => this.#take(piece, undefined));
    return socket;
  }

  /** Takes incoming bytes. False where reading has to stop for now. */
  #take(piece: Uint8Array, buffer: Buffer | undefined): boolean {
    let rest: Uint8Array | undefined = piece;
    if (this.#head !== undefined) rest = this.#takeHead(this.#head, piece);
    if (rest === undefined || rest.byteLength === 0) {
      if (buffer !== undefined) giveBackReadBuffer(buffer);
      return true;
    }
    this.#lent.push(buffer);
    return this.#takeBody(rest);
  }

  #takeRest(): void {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest === undefined) this.socket.resume();
    else if (this.#head === undefined) this.#takeBody(rest);
    else this.#spoiled();
  }

  /** The bytes behind the head, where it ends in this piece. */
  #takeHead(head: HeadWaiting, piece: Uint8Array): Uint8Array | undefined {
    const before = this.#headText.length;
    const start = piece.subarray(0, head.maxBytes + HEAD_END.length);
    const text = this.#headText + Buffer.from(start).toString('latin1');
    const end = text.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length));
    if (end > head.maxBytes || (end < 0 && text.length > head.maxBytes)) {
      this.#head = undefined;
      head.reject(
        new CairnError('invalid-request', `the head of a message is longer than ${head.maxBytes} bytes`),
      );
      this.destroy();
      return undefined;
    }
    if (end < 0) {
      this.#headText = text;
      return undefined;
    }
    this.#headText = '';
    this.#head = undefined;
    head.resolve(text.slice(0, end));
    return piece.subarray(end + HEAD_END.length - before);
  }

  #takeBody(piece: Uint8Array): boolean {
    const body = this.#body;
    if (body === undefined) {
      // These bytes came with their head, whose reader has not resumed yet.
      if (this.#rest !== undefined) return this.#spoiled();
      this.#rest = piece;
      this.socket.pause();
      return false;
    }
    if (piece.byteLength > body.leftBytes) return this.#spoiled();
    body.leftBytes -= piece.byteLength;
    if (body.leftBytes === 0) this.#body = undefined;
    body.listener.data(piece);
    if (body.leftBytes === 0) body.listener.end();
    return !this.socket.isPaused();
  }

  /** Ends a connection on which bytes came out of turn. */
  #spoiled(): false {
    this.destroy(new CairnError('invalid-request', 'more bytes came than the message has'));
    return false;
  }

  #giveBack(): void {
    const buffer = this.#lent.shift();
    if (buffer !== undefined) giveBackReadBuffer(buffer);
  }

  #giveBackAll(): void {
    while (this.#lent.length > 0) this.#giveBack();
  }

  #cut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    const [head, body] = [this.#head, this.#body];
    this.#head = undefined;
    this.#body = undefined;
    if (this.#posted !== undefined) giveBackReadBuffer(this.#posted);
    this.#posted = undefined;
    head?.resolve(undefined);
    body?.listener.cut();
  }
}
