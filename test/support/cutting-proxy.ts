/**
 * A TCP proxy for tests of bad networks: it slows down, cuts, stands still, swallows, loses answers, flips bits, and
 * counts what goes through.
 */
import { createServer, type AddressInfo, type Server } from 'node:net';
import {
  openLink,
  resetLink,
  type Link,
  type PassingPiece,
  type PassingRequest,
  type ProxyState,
  type ProxyTap,
  type Verdict,
  type Way,
} from './proxy-link.ts';

export type { ProxyTap } from './proxy-link.ts';

/** A running proxy on a port of the loopback interface. */
export interface CuttingProxy {
  readonly port: number;
  /** Resets every connection now; answers how many there were. */
  cutAll(): number;
  /** Lets nothing through until {@link resume}; connections stay. */
  pause(): void;
  /** Pauses once exactly so many more bytes have gone up (or down); resolves then. */
  pauseAfter(direction: Way, bytes: number): Promise<void>;
  resume(): void;
  /** New connections go to another port from now on. */
  setTarget(port: number): void;
  /** Cuts everything once so many more bytes have gone up (or down): a cut at an exact place. `then` is told. */
  cutAfter(direction: Way, bytes: number, then?: () => void): void;
  /**
   * Everything that goes in these directions vanishes, the ends of connections too; connections stay. Answers how many
   * there are. Those that were ever in a hole never come out of it.
   */
  swallow(...directions: Way[]): number;
  /** New connections work again. */
  heal(): void;
  /** Closes one side of every connection; the other believes that it lives. Answers how many there were. */
  closeSide(side: 'client' | 'server', how: 'reset' | 'close'): number;
  /** Decides what becomes of each request. */
  onRequest(decide: (request: PassingRequest) => Verdict): void;
  /** Sees, and may change, everything that goes by. */
  onPiece(look: (piece: PassingPiece) => void): void;
  close(): Promise<void>;
  /** Bytes that went through from the client to the server. */
  readonly bytesUp: number;
  /** Bytes that went through from the server to the client. */
  readonly bytesDown: number;
  /** Connections that went silent in the middle of a request, and that the client still holds. */
  readonly silenced: number;
  /** Connections that were accepted so far. */
  readonly connections: number;
}

/** How {@link startCuttingProxy} behaves. */
export interface CuttingProxyOptions {
  readonly targetPort: number;
  /** Rate of each direction, all connections together; unlimited where it is missing. */
  readonly bytesPerSecond?: number;
  /** How long every piece is held back in each direction: half a round trip. */
  readonly delayMs?: number;
  /** Every connection is reset when it is so old. */
  readonly maxAgeMs?: number;
  /**
   * What went this way before a cut still arrives. A reset throws away what its receiver has not read yet, and how much
   * that is depends on how busy the machine is.
   */
  readonly drains?: Way;
  /** Where to listen; any free port of 127.0.0.1 where it is missing. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** Sees everything that goes through, in order on each connection. */
  readonly tap?: ProxyTap;
  /** Makes random cuts repeatable; kept for callers that draw their own randomness from it. */
  readonly seed?: number;
}

/** A token bucket shared by all connections of one direction. */
function createThrottle({
  bytesPerSecond = Infinity,
  delayMs = 0,
}: Pick<CuttingProxyOptions, 'bytesPerSecond' | 'delayMs'>): (bytes: number) => number {
  let freeAtMs = 0;
  return (bytes) => {
    const now = performance.now();
    freeAtMs = Math.max(freeAtMs, now) + (bytes / bytesPerSecond) * 1000;
    return freeAtMs - now + delayMs;
  };
}

function createState(options: CuttingProxyOptions): ProxyState {
  const { targetPort, maxAgeMs, tap, drains } = options;
  return {
    links: new Set(),
    target: { host: '127.0.0.1', port: targetPort },
    paused: false,
    waiting: [],
    bytes: { up: 0, down: 0 },
    cutAt: { up: Infinity, down: Infinity },
    pauseAt: { up: Infinity, down: Infinity },
    onPause: () => undefined,
    onCut: () => undefined,
    holes: { up: false, down: false },
    connections: 0,
    onRequest: () => 'pass',
    onPiece: () => undefined,
    tap,
    throttles: { up: createThrottle(options), down: createThrottle(options) },
    maxAgeMs,
    drains,
  };
}

/** Starts a proxy to a port of the loopback interface. Close it. */
export async function startCuttingProxy(options: CuttingProxyOptions): Promise<CuttingProxy> {
  const state = createState(options);
  const { listen = { host: '127.0.0.1', port: 0 } } = options;
  const server: Server = createServer({ allowHalfOpen: true }, (client) => openLink(client, state));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const cutAll = (): number => {
    const count = state.links.size;
    for (const link of state.links) resetLink(link, state);
    return count;
  };
  return {
    port: (server.address() as AddressInfo).port,
    cutAll,
    ...pausing(state),
    ...vanishing(state),
    setTarget: (port) => void (state.target.port = port),
    cutAfter: (direction, bytes, then = () => undefined) => {
      state.onCut = then;
      state.cutAt[direction] = state.bytes[direction] + bytes;
    },
    onRequest: (decide) => void (state.onRequest = decide),
    onPiece: (look) => void (state.onPiece = look),
    close: async () => {
      cutAll();
      await new Promise((resolve) => server.close(resolve));
    },
    get bytesUp() {
      return state.bytes.up;
    },
    get bytesDown() {
      return state.bytes.down;
    },
    get silenced() {
      return [...state.links].filter(isHeldInVain).length;
    },
    get connections() {
      return state.connections;
    },
  };
}

/** One that waits for its next request may be kept: nobody has to find out yet. */
function isHeldInVain({ holes, client, answerBytesLeft }: Link): boolean {
  return (holes.up || holes.down) && answerBytesLeft > 0 && !client.destroyed && !client.readableEnded;
}

function pausing(state: ProxyState): Pick<CuttingProxy, 'pause' | 'pauseAfter' | 'resume'> {
  return {
    pause: () => void (state.paused = true),
    pauseAfter: (direction, bytes) =>
      new Promise((resolve) => {
        state.onPause = resolve;
        state.pauseAt[direction] = state.bytes[direction] + bytes;
      }),
    resume: () => {
      state.paused = false;
      for (const pass of state.waiting.splice(0)) pass();
    },
  };
}

function vanishing(state: ProxyState): Pick<CuttingProxy, 'swallow' | 'heal' | 'closeSide'> {
  return {
    swallow: (...directions) => {
      for (const way of directions) {
        state.holes[way] = true;
        for (const link of state.links) link.holes[way] = true;
      }
      return state.links.size;
    },
    heal: () => {
      state.holes.up = false;
      state.holes.down = false;
    },
    closeSide: (side, how) => {
      for (const link of state.links) {
        link.holes.up = true;
        link.holes.down = true;
        const socket = link[side];
        if (how === 'reset') socket.resetAndDestroy();
        else socket.destroySoon();
      }
      return state.links.size;
    },
  };
}
