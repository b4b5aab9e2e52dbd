/** In place of `undici`. */
import { ClientPool, ClientSocket } from '../network/client-pool.ts';
import type { Connection } from '../network/connection.ts';
import { realm } from './simulation.ts';

type Done = (error: Error | null, socket: ClientSocket | null) => void;

interface PoolOptions {
  readonly connections: number;
  readonly connect: (target: { readonly pool: ClientPool }, done: Done) => void;
}

/** Makes the function that connects. */
export function buildConnector(): (target: { readonly pool: ClientPool }, done: Done) => void {
  return ({ pool }, done) => void connect(pool, done);
}

async function connect(pool: ClientPool, done: Done): Promise<void> {
  const { process } = realm;
  let connection: Connection;
  try {
    connection = await process.network.connect(process);
  } catch (error) {
    done(error as Error, null);
    return;
  }
  done(null, new ClientSocket(process, connection.client, pool));
}

/** A pool of connections to the one server of the world. */
export class Pool extends ClientPool {
  constructor(_origin: string, options: PoolOptions) {
    super(realm.process, options);
  }
}
