/** What a client uses of a `net.Socket`, over the simulated network. */
import { EventEmitter } from 'node:events';
import type { SimulatedProcess } from '../system/process.ts';
import type { End } from './connection.ts';
import { IdleWatch } from './idle-watch.ts';
import type { ClientExchange } from './client-exchange.ts';

/** The socket that a connector hands out. */
export class ClientSocket extends EventEmitter {
  readonly end: End;
  readonly #process: SimulatedProcess;
  exchange: ClientExchange | undefined;
  readonly #idle: IdleWatch;
  readonly readableLength = 0;

  constructor(process: SimulatedProcess, end: End) {
    super();
    this.#process = process;
    this.end = end;
    this.#idle = new IdleWatch(process);
    this.setMaxListeners(0);
    end.onFrame = (frame) => {
      if (!process.isAlive) return;
      this.moved();
      this.exchange?.take(frame);
    };
    end.onClosed = (code) => this.#lose(Object.assign(new Error(`simulated ${code}`), { code }));
  }

  get destroyed(): boolean {
    return !this.end.isOpen;
  }

  get writable(): boolean {
    return this.end.isOpen;
  }

  isPaused(): boolean {
    return false;
  }

  setTimeout(idleMs: number): this {
    this.#idle.set(idleMs, () => this.emit('timeout'));
    return this;
  }

  /** Something moved: the time of silence starts anew. */
  moved(): void {
    this.#idle.moved();
  }

  destroy(
    error: Error = Object.assign(new Error('simulated: destroyed'), { code: 'ERR_STREAM_DESTROYED' }),
  ): void {
    if (!this.end.isOpen) return;
    this.end.destroy();
    this.#lose(error);
  }

  #lose(error: Error): void {
    if (!this.#process.isAlive) return;
    this.#idle.set(0, () => undefined);
    const { exchange } = this;
    this.exchange = undefined;
    exchange?.fail(error);
    this.emit('close');
  }
}
