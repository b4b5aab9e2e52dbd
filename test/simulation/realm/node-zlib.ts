/** In place of `node:zlib`: the same codes, computed at once, since other threads know nothing of virtual time. */
import { EventEmitter } from 'node:events';
import { constants, crc32, gunzipSync, gzipSync } from 'node:zlib';
import { realm } from './simulation.ts';

export { constants, crc32 };

/** What a zlib stream is to cairn. */
class SimulatedZlib extends EventEmitter {
  bytesWritten = 0;
  readableEnded = false;
  closed = false;
  readonly #output: Buffer[] = [];
  readonly #take: (piece: Buffer) => Buffer | undefined;
  readonly #finish: () => Buffer | undefined;

  constructor(take: (piece: Buffer) => Buffer | undefined, finish: () => Buffer | undefined) {
    super();
    this.#take = take;
    this.#finish = finish;
  }

  read(): Buffer | null {
    return this.#output.shift() ?? null;
  }

  write(piece: Uint8Array, done: () => void): void {
    this.bytesWritten += piece.byteLength;
    this.#compute(() => this.#take(Buffer.from(piece)), done);
  }

  flush(_kind: number, done: () => void): void {
    this.#compute(this.#finish, done);
  }

  end(): void {
    this.#compute(this.#finish, () => {
      this.readableEnded = true;
      this.emit('end');
    });
  }

  destroy(): void {
    for (const name of ['readable', 'end', 'error']) this.removeAllListeners(name);
    realm.process.soon(() => {
      this.closed = true;
      this.emit('close');
    });
  }

  #compute(work: () => Buffer | undefined, done: () => void): void {
    let failure: unknown;
    try {
      const output = work();
      if (output !== undefined && output.length > 0) this.#output.push(output);
    } catch (error) {
      failure = error;
    }
    realm.process.soon(() => {
      if (failure === undefined) done();
      else if (this.listenerCount('error') > 0) this.emit('error', failure);
    });
  }
}

/** Compresses what was written between two flushes into a member of its own. */
export function createGzip(): SimulatedZlib {
  let waiting: Buffer[] = [];
  return new SimulatedZlib(
    (piece) => void waiting.push(piece),
    () => {
      const whole = Buffer.concat(waiting);
      waiting = [];
      return gzipSync(whole, { level: 1 });
    },
  );
}

/** Gives after each piece what can be known by then. */
export function createGunzip(): SimulatedZlib {
  let taken = Buffer.alloc(0);
  let given = 0;
  const decode = (options: object): Buffer => {
    const whole = gunzipSync(taken, options);
    const more = whole.subarray(given);
    given = whole.length;
    return more;
  };
  return new SimulatedZlib(
    (piece) => {
      taken = Buffer.concat([taken, piece]);
      return decode({ finishFlush: constants.Z_SYNC_FLUSH });
    },
    () => decode({}),
  );
}
