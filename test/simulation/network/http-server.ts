/** What `createServer` of `node:http` gives, over the simulated network. */
import { EventEmitter } from 'node:events';
import type { SimulatedProcess } from '../system/process.ts';
import type { End, Frame } from './connection.ts';
import { SimulatedRequest, SimulatedResponse, SimulatedSocket } from './http-exchange.ts';
import type { SeenRequest } from './network.ts';

/** A server of one simulated process. */
export class SimulatedHttpServer extends EventEmitter {
  readonly #process: SimulatedProcess;
  readonly #sockets = new Set<SimulatedSocket>();
  #onClosed: (() => void) | undefined;

  constructor(process: SimulatedProcess) {
    super();
    this.#process = process;
  }

  listen(_where: unknown, done: () => void): this {
    this.#process.after(0.1, () => {
      this.#process.network.listen(this.#process, this);
      done();
    });
    return this;
  }

  address(): { port: number } {
    return { port: 7000 };
  }

  close(done: () => void): this {
    this.#process.network.stopListening(this);
    this.#onClosed = done;
    this.#settle();
    return this;
  }

  closeIdleConnections(): void {
    for (const socket of this.#sockets) if (socket.isIdle) socket.destroy();
  }

  closeAllConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** A client has connected. */
  accept(end: End, client: SimulatedProcess): void {
    const socket = new SimulatedSocket(this.#process, end, () => {
      this.#sockets.delete(socket);
      this.#settle();
    });
    this.#sockets.add(socket);
    end.onClosed = () => this.#process.whenRunning(() => socket.lose());
    end.onFrame = (frame) => this.#process.whenRunning(() => take(frame));
    const take = (frame: Frame): void => {
      if (frame.type !== 'request') {
        if (frame.type === 'body') socket.request?.take(frame.bytes);
        else if (frame.type === 'end') socket.request?.finish();
        return;
      }
      const { method, path, headers } = frame;
      const seen: SeenRequest = { client, method, path, headers };
      const request = new SimulatedRequest(socket, seen);
      const response = new SimulatedResponse(socket, seen, (status, body) =>
        this.#process.network.observer?.answered(seen, status, body),
      );
      socket.begin(request, response);
      this.emit('request', request, response);
    };
  }

  #settle(): void {
    if (this.#onClosed === undefined || this.#sockets.size > 0) return;
    const done = this.#onClosed;
    this.#onClosed = undefined;
    this.#process.after(0, done);
  }
}
