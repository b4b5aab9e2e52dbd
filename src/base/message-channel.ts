/**
 * A connection on which one message follows the other: a head that ends with an empty line, then a body whose length the
 * head tells. Nobody speaks before the other has answered.
 *
 * Node's and undici's parsers copy every body into new memory, 64 KiB at a time; here the kernel fills large buffers that
 * are used again (measured: a third of the CPU time of receiving).
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

/** One side of such a connection. Close it. */
export class MessageChannel {
  readonly socket: Socket;
  #head: HeadWaiting | undefined;
  #headText = '';
  #body: Body | undefined;
  /** What came of a body with its head. */
  #rest: Uint8Array | undefined;
  /** A buffer for each piece that is still in use, the oldest first; undefined for memory that another owner has. */
  readonly #lent: (Buffer | undefined)[] = [];
  /** The buffer of the next read. */
  #posted: Buffer | undefined;
  #isCut = false;
  #failure: unknown;

  /** Takes a socket over, with what was read of it. Nothing else may listen to it. */
  constructor(socket: Duplex, early: Uint8Array) {
    this.socket = this.#adopt(socket as Socket);
    this.socket.on('error', (error) => (this.#failure ??= error));
    this.socket.on('end', () => this.#cut()).on('close', () => this.#cut());
    if (early.byteLength > 0) this.#take(early, undefined);
    // What has ended before does not say so again.
    if (this.socket.destroyed || this.socket.readableEnded) this.#cut();
  }

  /** What ended the connection, where something did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Whether nothing can come or go any more. */
  get isOver(): boolean {
    return this.#isCut || this.socket.destroyed;
  }

  /**
   * The next head, without the empty line at its end; undefined where the connection ends.
   *
   * @throws CairnError `invalid-request` for one of more than `maxBytes`
   */
  readHead(maxBytes: number): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#isCut) {
        resolve(undefined);
        return;
      }
      this.#head = { maxBytes, resolve, reject };
      // A caller that asks for the next message is done with the last one, read or not.
      if (this.#rest === undefined) this.#giveBackAll();
      this.#takeRest();
    });
  }

  /**
   * The head that follows at once on one without a body, as the final answer does on an interim one.
   *
   * @throws CairnError `invalid-request` for one of more than `maxBytes`
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
      // Each piece is in a buffer of its own, and there are two.
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

  /** Resolves when the bytes have left this process: then their memory may be used again. @throws system errors */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(bytes, (error) => {
        if (error === undefined || error === null) resolve();
        else reject((this.#failure as Error | undefined) ?? error);
      });
    });
  }

  /** Ends the connection at once; all that wait for something are told that it was cut. */
  destroy(error?: CairnError): void {
    this.#failure ??= error;
    this.socket.destroy();
    this.#cut();
  }

  /**
   * Says nothing more, and reads on for a moment what still comes, so that the last answer is not lost by a reset.
   * Resolves when the other side has closed the connection, or that was enough.
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

  /** Destroys it for good: nobody looks at a piece of it any more. */
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

  /** Takes what came. False where nothing more shall come for now. */
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

  /** What follows the head, where it ends in this piece. */
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
      // It came with its head, which its reader is only now told of.
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

  /** Something came where nothing may come. */
  #spoiled(): false {
    this.destroy(new CairnError('invalid-request', 'more came than the message has'));
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
