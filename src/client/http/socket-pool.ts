/** Sockets to one place, each used for one request at a time, and kept for the next one. */
import type { Socket } from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { CairnError } from '../../base/errors.ts';
import { closedSilently } from './connecting.ts';

/** Such sockets. */
export interface SocketPool {
  /**
   * One that no other request uses; waits while as many as there may be are in use, or no more can be opened.
   *
   * @throws what opening the only one throws; the signal's reason
   */
  take(signal: AbortSignal): Promise<Socket>;
  /** It is free again; the other side closes it when nothing comes for `keepMs`. */
  giveBack(socket: Socket, keepMs: number): void;
  /** It belongs to the caller from now on, and does not count any more. */
  letGo(socket: Socket): void;
  /** Closes those that are idle, and answers how many that were. */
  closeIdle(): number;
  /** Closes all of them, now and later. */
  close(): void;
}

interface Idle {
  readonly socket: Socket;
  readonly sinceMs: number;
  /** Ends its time here, and stops listening to it. */
  readonly leave: () => void;
}

interface Waiter {
  readonly resolve: (socket: Socket) => void;
  readonly reject: (error: unknown) => void;
}

/** Idle for longer than this, it may have been closed by the other side, which is not seen before the next look at sockets. */
const FRESH_MS = 20;

interface State {
  readonly open: () => Promise<Socket>;
  readonly max: number;
  readonly all: Set<Socket>;
  readonly idle: Idle[];
  readonly waiters: Waiter[];
  opening: number;
  isClosed: boolean;
}

/** Keeps at most `max` sockets, which `open` opens. */
export function createSocketPool(open: () => Promise<Socket>, max: number): SocketPool {
  const state: State = {
    open,
    max,
    all: new Set(),
    idle: [],
    waiters: [],
    opening: 0,
    isClosed: false,
  };
  return {
    take: (signal) => take(state, signal),
    giveBack: (socket, keepMs) => {
      if (state.isClosed || !isUsable(socket)) {
        socket.destroy();
        return;
      }
      const waiter = state.waiters.shift();
      if (waiter !== undefined) waiter.resolve(socket);
      else state.idle.push(keep(socket, keepMs));
    },
    letGo: (socket) => lost(state, socket),
    closeIdle: () => {
      const closed = state.idle.splice(0);
      for (const { socket } of closed) socket.destroy();
      return closed.length;
    },
    close: () => {
      state.isClosed = true;
      for (const socket of state.all) socket.destroy();
      for (const waiter of state.waiters.splice(0)) waiter.reject(closedError());
    },
  };
}

async function take(state: State, signal: AbortSignal): Promise<Socket> {
  if (state.isClosed) throw closedError();
  const kept = await takeIdle(state);
  if (kept !== undefined) return kept;
  if (state.all.size + state.opening >= state.max) return nextFree(state, signal);
  try {
    return await openFor(state, signal);
  } catch (error) {
    signal.throwIfAborted();
    // There may be no more of them now: one of those that are there will do.
    const other = await takeIdle(state);
    if (other !== undefined) return other;
    if (state.all.size > 0 && !state.isClosed) return nextFree(state, signal);
    throw error;
  }
}

async function takeIdle({ idle }: State): Promise<Socket | undefined> {
  for (let kept = idle.pop(); kept !== undefined; kept = idle.pop()) {
    const { socket, sinceMs, leave } = kept;
    // oxlint-disable-next-line no-await-in-loop -- the next one is looked at only where this one is dead
    if (performance.now() - sinceMs > FRESH_MS) await immediate();
    leave();
    if (isUsable(socket)) return socket;
    socket.destroy();
  }
  return undefined;
}

/** Opens one, unless the signal is aborted: then it is closed as soon as it is there. */
function openFor(state: State, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const waiter = waiterOf(signal, resolve, reject);
    openTo(state, waiter);
  });
}

function openTo(state: State, waiter: Waiter): void {
  openOne(state).then(waiter.resolve, (error: unknown) => {
    waiter.reject(error);
    if (state.all.size === 0) serveWaiter(state);
  });
}

async function openOne(state: State): Promise<Socket> {
  state.opening += 1;
  let socket: Socket;
  try {
    socket = await state.open();
  } finally {
    state.opening -= 1;
  }
  if (state.isClosed) {
    socket.destroy();
    throw closedError();
  }
  // It may have ended while it was looked at, and would never say so again: it would count for ever.
  if (socket.destroyed) throw closedSilently();
  state.all.add(socket);
  socket.once('close', () => lost(state, socket));
  return socket;
}

/** There is room for a socket more. */
function serveWaiter(state: State): void {
  const waiter = state.waiters.shift();
  if (waiter !== undefined) openTo(state, waiter);
}

function lost(state: State, socket: Socket): void {
  const at = state.idle.findIndex((kept) => kept.socket === socket);
  if (at >= 0) state.idle.splice(at, 1);
  if (state.all.delete(socket)) serveWaiter(state);
}

function isUsable(socket: Socket): boolean {
  return !socket.destroyed && socket.writable && socket.readableLength === 0;
}

/** Watches over an idle socket: bytes that come unasked are no answer to a later request. */
function keep(socket: Socket, keepMs: number): Idle {
  const destroy = (): void => void socket.destroy();
  const timer = setTimeout(destroy, keepMs).unref();
  const leave = (): void => {
    clearTimeout(timer);
    socket.off('data', destroy).off('close', leave);
  };
  socket.on('data', destroy).once('close', leave);
  return { socket, sinceMs: performance.now(), leave };
}

/** The next that is free. One that was given back since the last look has told no waiter. */
function nextFree(state: State, signal: AbortSignal): Promise<Socket> {
  return state.idle.length > 0 ? take(state, signal) : waitFor(state.waiters, signal);
}

function waitFor(waiters: Waiter[], signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const waiter = waiterOf(signal, resolve, (error) => {
      const at = waiters.indexOf(waiter);
      if (at >= 0) waiters.splice(at, 1);
      reject(error);
    });
    if (!signal.aborted) waiters.push(waiter);
  });
}

/** Waits until it is given a socket, or an error, or the signal is aborted. What it is given later is closed. */
function waiterOf(
  signal: AbortSignal,
  resolve: (socket: Socket) => void,
  reject: (error: unknown) => void,
): Waiter {
  let isOver = false;
  const over = (): void => {
    isOver = true;
    signal.removeEventListener('abort', onAbort);
  };
  const onAbort = (): void => {
    over();
    reject(signal.reason);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) queueMicrotask(onAbort);
  return {
    resolve: (socket) => {
      if (isOver) {
        // Room for the next one that waits.
        socket.destroy();
        return;
      }
      over();
      resolve(socket);
    },
    reject: (error) => {
      if (isOver) return;
      over();
      reject(error);
    },
  };
}

function closedError(): CairnError {
  return new CairnError('network', 'all connections to the server have been closed');
}
