/**
 * A TCP proxy for tests of bad networks: it slows down, cuts everything with a reset, stands still, and counts what
 * goes through.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A running proxy on a port of the loopback interface. */
export interface CuttingProxy {
  readonly port: number;
  /** Resets every connection now; answers how many there were. */
  cutAll(): number;
  /** Lets nothing through until {@link resume}; connections stay. */
  pause(): void;
  resume(): void;
  /** New connections go to another port from now on. */
  setTarget(port: number): void;
  /** Cuts everything once so many more bytes have gone up (or down): a cut at an exact place. */
  cutAfter(direction: 'up' | 'down', bytes: number): void;
  close(): Promise<void>;
  /** Bytes that went through from the client to the server. */
  readonly bytesUp: number;
  /** Bytes that went through from the server to the client. */
  readonly bytesDown: number;
  /** Connections that were accepted so far. */
  readonly connections: number;
}

/** How {@link startCuttingProxy} behaves. */
export interface CuttingProxyOptions {
  readonly targetPort: number;
  /** Rate of each direction, all connections together; unlimited where it is missing. */
  readonly bytesPerSecond?: number;
  /** Makes random cuts repeatable; kept for callers that draw their own randomness from it. */
  readonly seed?: number;
}

const TICK_MS = 5;

/** A token bucket shared by all connections of one direction. */
function createThrottle(bytesPerSecond: number | undefined): (bytes: number) => number {
  if (bytesPerSecond === undefined) return () => 0;
  let freeAtMs = 0;
  return (bytes) => {
    const now = performance.now();
    freeAtMs = Math.max(freeAtMs, now) + (bytes / bytesPerSecond) * 1000;
    return freeAtMs - now;
  };
}

interface State {
  readonly pairs: Set<readonly [Socket, Socket]>;
  targetPort: number;
  paused: boolean;
  readonly waiting: (() => void)[];
  readonly bytes: { up: number; down: number };
  readonly cutAt: { up: number; down: number };
  connections: number;
}

function cutAll(state: State): number {
  const count = state.pairs.size;
  for (const [client, server] of state.pairs) {
    client.resetAndDestroy();
    server.resetAndDestroy();
  }
  state.pairs.clear();
  return count;
}

function pipe(
  from: Socket,
  to: Socket,
  way: 'up' | 'down',
  state: State,
  throttle: (bytes: number) => number,
): void {
  const pass = (bytes: Buffer): void => {
    if (to.destroyed) return;
    state.bytes[way] += bytes.length;
    const goOn = (): void => void from.resume();
    if (to.write(bytes)) goOn();
    else to.once('drain', goOn);
    if (state.bytes[way] >= state.cutAt[way]) {
      state.cutAt[way] = Infinity;
      cutAll(state);
    }
  };
  from.on('data', (bytes: Buffer) => {
    from.pause();
    const waitMs = throttle(bytes.length);
    const later = (): void => {
      if (state.paused) state.waiting.push(() => pass(bytes));
      else pass(bytes);
    };
    if (waitMs < TICK_MS) later();
    else setTimeout(later, waitMs);
  });
  from.on('end', () => to.end());
}

function accept(
  client: Socket,
  state: State,
  throttles: Record<'up' | 'down', (bytes: number) => number>,
): void {
  const server = connect({ port: state.targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  client.setNoDelay(true);
  const pair = [client, server] as const;
  state.connections += 1;
  state.pairs.add(pair);
  const drop = (): void => {
    state.pairs.delete(pair);
    client.destroy();
    server.destroy();
  };
  // A target that is away resets its clients, as a network would.
  server.on('error', () => {
    client.resetAndDestroy();
    drop();
  });
  client.on('error', drop);
  client.on('close', drop);
  server.on('close', () => client.end());
  pipe(client, server, 'up', state, throttles.up);
  pipe(server, client, 'down', state, throttles.down);
}

/** Starts a proxy to a port of the loopback interface. Close it. */
export async function startCuttingProxy(options: CuttingProxyOptions): Promise<CuttingProxy> {
  const state: State = {
    pairs: new Set(),
    targetPort: options.targetPort,
    paused: false,
    waiting: [],
    bytes: { up: 0, down: 0 },
    cutAt: { up: Infinity, down: Infinity },
    connections: 0,
  };
  const throttles = {
    up: createThrottle(options.bytesPerSecond),
    down: createThrottle(options.bytesPerSecond),
  };
  const server: Server = createServer({ allowHalfOpen: true }, (client) => accept(client, state, throttles));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cutAll: () => cutAll(state),
    pause: () => void (state.paused = true),
    resume: () => {
      state.paused = false;
      for (const pass of state.waiting.splice(0)) pass();
    },
    setTarget: (port) => void (state.targetPort = port),
    cutAfter: (direction, bytes) => void (state.cutAt[direction] = state.bytes[direction] + bytes),
    close: async () => {
      cutAll(state);
      await new Promise((resolve) => server.close(resolve));
    },
    get bytesUp() {
      return state.bytes.up;
    },
    get bytesDown() {
      return state.bytes.down;
    },
    get connections() {
      return state.connections;
    },
  };
}
