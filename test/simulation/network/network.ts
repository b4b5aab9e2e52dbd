/** The simulated network between the machines: who listens where, what breaks, and how often. */
import type { Chance } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';
import type { SimulatedProcess } from '../system/process.ts';
import { Connection } from './connection.ts';
import type { SimulatedHttpServer } from './http-server.ts';

/** How bad the network is. */
export interface NetworkTrouble {
  /** Probability that a new connection will be cut somewhere. */
  cutProbability: number;
  /** Of those that are: how far the cut comes at most, in bytes. */
  cutWithinBytes: number;
  /** Probability that a piece of a chunk is damaged. */
  flipProbability: number;
  /** Probability that a connection falls silent instead of being cut. */
  silenceProbability: number;
  /** No connection is possible. */
  isDown: boolean;
  /** Probability that a server ends a connection after an answer, so that the next request goes to another node. */
  closeProbability: number;
}

/** A server that listens. */
interface Listener {
  readonly process: SimulatedProcess;
  readonly server: SimulatedHttpServer;
}

/** Told of each request and answer, with the moment at which its sender sent it. */
export interface TrafficObserver {
  requestSent(request: SeenRequest): void;
  answered(request: SeenRequest, status: number, body: Buffer): void;
}

/** A request on the wire. */
export interface SeenRequest {
  readonly client: SimulatedProcess;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

const CONNECT_TIMEOUT_MS = 10_000;

/** All connections of a world. */
export class Network {
  readonly trouble: NetworkTrouble = {
    cutProbability: 0,
    cutWithinBytes: 0,
    flipProbability: 0,
    silenceProbability: 0,
    isDown: false,
    closeProbability: 0,
  };
  observer: TrafficObserver | undefined;
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly #met: (what: string) => void;
  readonly #latencyMs: number;
  readonly #open = new Set<Connection>();
  /** Several are nodes behind a balancer. */
  readonly #listeners: Listener[] = [];

  constructor(scheduler: Scheduler, chance: Chance, met: (what: string) => void) {
    this.#scheduler = scheduler;
    this.#chance = chance;
    this.#met = met;
    this.#latencyMs = chance.pick([0.2, 2, 40]);
  }

  listen(process: SimulatedProcess, server: SimulatedHttpServer): void {
    this.#listeners.push({ process, server });
    process.atEnd(() => this.stopListening(server));
  }

  stopListening(server: SimulatedHttpServer): void {
    const index = this.#listeners.findIndex((listener) => listener.server === server);
    if (index >= 0) this.#listeners.splice(index, 1);
  }

  /** Connects a client process to the server. Rejects with the code that Node would give. */
  connect(process: SimulatedProcess): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const refuse = (code: string, delayMs: number): void =>
        void process.after(delayMs, () => reject(Object.assign(new Error(`simulated ${code}`), { code })));
      process.after(this.#latencyMs * (1 + this.#chance.next()), () => {
        if (this.trouble.isDown) return refuse('UND_ERR_CONNECT_TIMEOUT', CONNECT_TIMEOUT_MS);
        const listener = this.#choose();
        if (listener === undefined) return refuse('ECONNREFUSED', this.#latencyMs);
        const connection = this.#make();
        this.#bind(connection, process, listener);
        listener.server.accept(connection.server, process);
        resolve(connection);
      });
    });
  }

  /** Cuts every connection, or makes every one silent. */
  cutAll(how: 'reset' | 'silence'): void {
    for (const connection of this.#open) {
      if (how === 'silence') connection.isSilent = true;
      else connection.cut();
    }
  }

  #choose(): Listener | undefined {
    return this.#listeners.length > 1 ? this.#chance.pick(this.#listeners) : this.#listeners[0];
  }

  #make(): Connection {
    const connection = new Connection(this.#scheduler, this.#chance, this.#latencyMs, this.#met);
    const { cutProbability, cutWithinBytes, silenceProbability } = this.trouble;
    connection.flipProbability = () => this.trouble.flipProbability;
    if (this.#chance.is(cutProbability)) {
      this.#met('cut connection');
      const end = this.#chance.is(0.6) ? connection.client : connection.server;
      end.fuseBytes = this.#chance.int(0, cutWithinBytes);
    }
    if (this.#chance.is(silenceProbability)) {
      this.#met('silent connection');
      connection.later(this.#scheduler.nowMs + this.#chance.next() * 500, () => (connection.isSilent = true));
    }
    return connection;
  }

  /** A process that dies takes its ends with it; only a machine that lost its power does not even say so. */
  #bind(connection: Connection, client: SimulatedProcess, { process: server }: Listener): void {
    this.#open.add(connection);
    const ends = [
      [client, connection.client],
      [server, connection.server],
    ] as const;
    for (const [process, end] of ends) {
      process.atEnd((how) => {
        this.#open.delete(connection);
        if (how === 'power') connection.isSilent = true;
        else end.destroy();
      });
    }
  }
}
