/** A TCP proxy on loopback that limits the rate, cuts connections, and sees when a chunk moves. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** `up`: from the client to the server. */
export type Direction = 'up' | 'down';

/** The proxy of one demo. */
export interface Proxy {
  readonly port: number;
  /** Bytes that were taken from the sender, both of payload and of protocol. */
  bytes(direction: Direction): number;
  /** Resets every connection; answers how many there were. */
  cut(): number;
  /** Resolves once `bytes(direction)` has reached `count`; with the time from `performance.now()`. */
  reached(direction: Direction, count: number): Promise<number>;
  /** Resolves when the next chunk, or the rest of one, begins to move; with the time from `performance.now()`. */
  nextPayload(direction: Direction): Promise<number>;
  close(): Promise<void>;
}

const REQUEST_LINE_BYTES = 300;
const CHUNK_REQUEST: Readonly<Record<Direction, RegExp>> = {
  up: /^PUT \S*\/chunks\/\d+ /,
  down: /^GET \S*\/chunks\/\d+ /,
};
/** Timers are no finer; what is less is paid with the next piece. */
const SHORTEST_PAUSE_MS = 4;

/** Slows everything that passes down to one rate, which all connections share. */
class Throttle {
  #freeAt = 0;

  readonly #bytesPerSecond: number;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** How long to wait before the next piece, after one of `bytes`. */
  take(bytes: number): number {
    const now = performance.now();
    this.#freeAt = Math.max(now, this.#freeAt) + (bytes * 1000) / this.#bytesPerSecond;
    const pause = this.#freeAt - now;
    return pause < SHORTEST_PAUSE_MS ? 0 : pause;
  }
}

/** Counts the bytes that pass, and wakes those who wait for them. */
class Watch {
  bytes = 0;
  readonly #reached: { count: number; wake: (at: number) => void }[] = [];
  #payload: ((at: number) => void)[] = [];

  add(bytes: number): void {
    this.bytes += bytes;
    for (const waiter of this.#reached) if (this.bytes >= waiter.count) waiter.wake(performance.now());
  }

  payload(): void {
    const waiting = this.#payload;
    this.#payload = [];
    for (const wake of waiting) wake(performance.now());
  }

  reached(count: number): Promise<number> {
    if (this.bytes >= count) return Promise.resolve(performance.now());
    return new Promise((wake) => this.#reached.push({ count, wake }));
  }

  nextPayload(): Promise<number> {
    return new Promise((wake) => this.#payload.push(wake));
  }
}

/** Starts a proxy to `targetPort` on 127.0.0.1; `bytesPerSecond` holds for all connections together. */
export async function startProxy(targetPort: number, bytesPerSecond: number): Promise<Proxy> {
  const throttle = new Throttle(bytesPerSecond);
  const watches = { up: new Watch(), down: new Watch() };
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(targetPort, '127.0.0.1');
    clients.add(client);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      // The end of one side ends the other in the same way; the reason does not matter here.
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => {
        sockets.delete(socket);
        clients.delete(socket);
        other.destroySoon();
      });
    }
    join(client, upstream, watches, throttle);
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
  const cut = (): number => {
    const count = clients.size;
    for (const socket of sockets) socket.resetAndDestroy();
    return count;
  };
  return {
    port: (server.address() as AddressInfo).port,
    bytes: (direction) => watches[direction].bytes,
    cut,
    reached: (direction, count) => watches[direction].reached(count),
    nextPayload: (direction) => watches[direction].nextPayload(),
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        cut();
      }),
  };
}

/** Passes on in both directions. */
function join(client: Socket, upstream: Socket, watches: Record<Direction, Watch>, throttle: Throttle): void {
  let awaitsChunk = false;
  pass(client, upstream, throttle, (piece) => {
    watches.up.add(piece.byteLength);
    const line = piece.toString('latin1', 0, REQUEST_LINE_BYTES);
    if (CHUNK_REQUEST.up.test(line)) watches.up.payload();
    if (CHUNK_REQUEST.down.test(line)) awaitsChunk = true;
  });
  pass(upstream, client, throttle, (piece) => {
    watches.down.add(piece.byteLength);
    if (awaitsChunk) watches.down.payload();
    awaitsChunk = false;
  });
}

function pass(from: Socket, to: Socket, throttle: Throttle, see: (piece: Buffer) => void): void {
  from.on('data', (piece: Buffer) => {
    see(piece);
    const hasRoom = to.write(piece);
    const pauseMs = throttle.take(piece.byteLength);
    if (hasRoom && pauseMs === 0) return;
    from.pause();
    const drained = hasRoom ? Promise.resolve() : new Promise<void>((done) => to.once('drain', done));
    const rested = pauseMs === 0 ? Promise.resolve() : new Promise((done) => setTimeout(done, pauseMs));
    void Promise.all([drained, rested]).then(() => from.resume());
  });
  from.on('end', () => to.end());
}
