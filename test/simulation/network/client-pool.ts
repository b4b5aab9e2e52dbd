/** What undici's `Pool` gives, over the simulated network: some connections, one request on each at a time. */
import type { SimulatedProcess } from '../system/process.ts';
import type { End } from './connection.ts';
import { IdleWatch } from './idle-watch.ts';
import { ClientExchange, type PoolRequest, type PoolResponse } from './client-exchange.ts';

/** The socket that a connector hands out. */
export class ClientSocket {
  readonly end: End;
  readonly #process: SimulatedProcess;
  exchange: ClientExchange | undefined;
  readonly #idle: IdleWatch;
  #onClose: () => void = () => undefined;
  readonly #pool: { lost(socket: ClientSocket): void };

  constructor(process: SimulatedProcess, end: End, pool: { lost(socket: ClientSocket): void }) {
    this.#process = process;
    this.end = end;
    this.#pool = pool;
    this.#idle = new IdleWatch(process);
    end.onFrame = (frame) => {
      if (!process.isAlive) return;
      this.moved();
      this.exchange?.take(frame);
    };
    end.onClosed = (code) => this.#lose(Object.assign(new Error(`simulated ${code}`), { code }));
  }

  setTimeout(idleMs: number, onIdle: () => void): this {
    this.#idle.set(idleMs, onIdle);
    return this;
  }

  /** Told once when the connection is over. */
  once(_event: 'close', onClose: () => void): this {
    this.#onClose = onClose;
    return this;
  }

  /** Something moved: the time of silence starts anew. */
  moved(): void {
    this.#idle.moved();
  }

  destroy(
    error: Error = Object.assign(new Error('simulated: destroyed'), { code: 'UND_ERR_DESTROYED' }),
  ): void {
    if (!this.end.isOpen) return;
    this.end.destroy();
    this.#lose(error);
  }

  #lose(error: Error): void {
    if (!this.#process.isAlive) return;
    this.#idle.set(0, () => undefined);
    this.#onClose();
    this.#pool.lost(this);
    const { exchange } = this;
    this.exchange = undefined;
    exchange?.fail(error);
  }
}

type Connect = (
  target: { readonly pool: ClientPool },
  done: (error: Error | null, socket: ClientSocket | null) => void,
) => void;

/** Connections of one process to the server. */
export class ClientPool {
  readonly #process: SimulatedProcess;
  readonly #connect: Connect;
  readonly #limit: number;
  readonly #sockets = new Set<ClientSocket>();
  readonly #waiting: (() => void)[] = [];
  #connecting = 0;
  #isDestroyed = false;

  constructor(process: SimulatedProcess, options: { connections: number; connect: Connect }) {
    this.#process = process;
    this.#connect = options.connect;
    this.#limit = options.connections;
  }

  async request(options: PoolRequest): Promise<PoolResponse> {
    const exchange = new ClientExchange(this.#process, options);
    const socket = await this.#acquire(exchange);
    return exchange.start(socket, () => this.#release(socket));
  }

  /** The network of the world knows no upgrades. */
  async upgrade(): Promise<never> {
    throw Object.assign(new Error('simulated'), { code: 'UND_ERR_SOCKET' });
  }

  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    for (const socket of this.#sockets) socket.destroy();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  lost(socket: ClientSocket): void {
    this.#sockets.delete(socket);
    this.#waiting.shift()?.();
  }

  async #acquire(exchange: ClientExchange): Promise<ClientSocket> {
    for (;;) {
      exchange.checkAborted();
      if (this.#isDestroyed) throw Object.assign(new Error('simulated'), { code: 'UND_ERR_DESTROYED' });
      for (const socket of this.#sockets) {
        if (socket.exchange !== undefined) continue;
        socket.exchange = exchange;
        return socket;
      }
      if (this.#sockets.size + this.#connecting < this.#limit) {
        const socket = await this.#open();
        socket.exchange = exchange;
        return socket;
      }
      await exchange.unlessAborted(new Promise<void>((resolve) => this.#waiting.push(resolve)));
    }
  }

  async #open(): Promise<ClientSocket> {
    this.#connecting += 1;
    try {
      return await new Promise((resolve, reject) => {
        this.#connect({ pool: this }, (error, socket) => {
          if (error !== null || socket === null) {
            reject(error ?? new Error('simulated: no socket'));
            return;
          }
          // A pool that was destroyed meanwhile wants no more connections.
          if (this.#isDestroyed) socket.destroy();
          this.#sockets.add(socket);
          resolve(socket);
        });
      });
    } finally {
      this.#connecting -= 1;
    }
  }

  #release(socket: ClientSocket): void {
    socket.exchange = undefined;
    this.#waiting.shift()?.();
  }
}
