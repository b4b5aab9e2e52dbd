/** Sockets that are opened before there is something to send: on a long line each one costs a round trip, or several. */
import type { Socket } from 'node:net';
import type { Connect, Done, Target } from './connecting.ts';

/** A connector with sockets in stock. */
export interface ReadySockets {
  /** Connects with a socket that is ready, or on its way, where there is one. */
  readonly connect: Connect;
  /** Opens so many to where the last one went; nothing, before there was one. */
  openAhead(count: number): void;
  /** Closes those that were not taken, and answers how many that were. */
  closeIdle(): number;
  /** The same, and those that are still to come. */
  close(): void;
}

/** One that was not taken yet. */
interface Ready {
  socket: Socket | undefined;
  /** Who has taken it before it was there. */
  taker: Done | undefined;
}

/** Keeps sockets in stock that `connect` makes. One that fails, or says something unasked, is not handed out. */
export function keepReady(connect: Connect): ReadySockets {
  const stock = new Set<Ready>();
  let target: Target | undefined;
  let isClosed = false;
  const closeIdle = (): number => {
    const { size } = stock;
    for (const { socket } of stock) socket?.destroy();
    stock.clear();
    return size;
  };
  return {
    connect: (wanted, done) => {
      target = wanted;
      const ready = take(stock);
      const socket = ready?.socket;
      if (ready === undefined) connect(wanted, done);
      else if (socket === undefined) ready.taker = done;
      // No caller is told before it has finished asking.
      else queueMicrotask(() => done(null, socket));
    },
    openAhead: (count) => {
      if (target === undefined) return;
      for (let opened = 0; opened < count; opened += 1) open(connect, target, stock, () => isClosed);
    },
    closeIdle,
    close: () => {
      isClosed = true;
      closeIdle();
    },
  };
}

function open(connect: Connect, target: Target, stock: Set<Ready>, isClosed: () => boolean): void {
  const ready: Ready = { socket: undefined, taker: undefined };
  stock.add(ready);
  connect(target, (...result) => {
    const [error, socket] = result;
    if (ready.taker !== undefined) ready.taker(...result);
    else if (error !== null) stock.delete(ready);
    // It was given up meanwhile.
    else if (isClosed() || !stock.has(ready)) socket.destroy();
    else {
      ready.socket = socket;
      socket.once('close', () => stock.delete(ready));
    }
  });
}

function take(stock: Set<Ready>): Ready | undefined {
  for (const ready of stock) {
    stock.delete(ready);
    // A server that has too many connections says so, and closes.
    if (ready.socket === undefined || (!ready.socket.destroyed && ready.socket.readableLength === 0))
      return ready;
    ready.socket.destroy();
  }
  return undefined;
}
