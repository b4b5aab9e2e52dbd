/** The process of a long line: a TCP proxy that delays, limits and cuts. It obeys orders of its parent. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import type { CutPlan, LineAnswer, LineOrder, LineShape } from './line-shape.ts';
import { makeReceiveBufferSmall } from './small-buffers.ts';

/** One direction of one connection: what is on its way. */
interface Lane {
  readonly from: Socket;
  readonly to: Socket;
  readonly way: 'up' | 'down';
  /** Bytes, or the end, and when they arrive. */
  readonly under: { readonly bytes: Buffer | undefined; readonly dueMs: number }[];
  /** When the last byte so far has left the near end. */
  freeAtMs: number;
}

const lanes = new Set<Lane>();
const totalFreeAtMs = { up: 0, down: 0 };
/** Pieces of this size leave one after the other, so that a large read does not arrive at once. */
const PIECE_BYTES = 8 * 1024;
/** What may wait at the near end, beside the kernel's small buffer. */
const MAX_WAIT_MS = 15;
const TICK_MS = 1;
/** How late this process may be without the line losing what it could have carried meanwhile. */
const CREDIT_MS = 15;
let shape: LineShape;
let cuts = 0;
let cutTimer: NodeJS.Timeout | undefined;

function open(client: Socket, targetPort: number): void {
  const server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  client.setNoDelay(true);
  server.once('connect', () => makeReceiveBufferSmall(server));
  const now = performance.now();
  // A connection takes one round trip before its client may send; the server hears of it after one and a half.
  const up = laneOf(client, server, 'up', now + shape.roundTripMs);
  const down = laneOf(server, client, 'down', now + shape.roundTripMs * 1.5);
  const close = (): void => {
    for (const lane of [up, down]) lanes.delete(lane);
    client.destroy();
    server.destroy();
  };
  for (const socket of [client, server]) {
    socket.on('error', close);
    socket.on('close', () => {
      if (client.destroyed && server.destroyed) close();
    });
  }
}

function laneOf(from: Socket, to: Socket, way: Lane['way'], freeAtMs: number): Lane {
  const lane: Lane = { from, to, way, under: [], freeAtMs };
  lanes.add(lane);
  from.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) send(lane, bytes.subarray(at, at + PIECE_BYTES));
    const waitMs = lane.freeAtMs - performance.now() - MAX_WAIT_MS;
    if (waitMs < TICK_MS) return;
    from.pause();
    setTimeout(() => from.resume(), waitMs);
  });
  from.on('end', () => lane.under.push({ bytes: undefined, dueMs: lane.freeAtMs + shape.roundTripMs / 2 }));
  return lane;
}

function send(lane: Lane, bytes: Buffer): void {
  const now = performance.now() - CREDIT_MS;
  const ownMs = Math.max(lane.freeAtMs, now) + (bytes.length / shape.bytesPerSecond) * 1000;
  const allMs = Math.max(totalFreeAtMs[lane.way], now) + (bytes.length / shape.totalBytesPerSecond) * 1000;
  totalFreeAtMs[lane.way] = allMs;
  lane.freeAtMs = Math.max(ownMs, allMs);
  lane.under.push({ bytes, dueMs: Math.max(lane.freeAtMs, performance.now()) + shape.roundTripMs / 2 });
}

function deliver(): void {
  const now = performance.now();
  for (const { under, to } of lanes) {
    let count = 0;
    while (count < under.length && under[count]!.dueMs <= now) count += 1;
    for (const { bytes } of under.splice(0, count)) {
      if (bytes === undefined) to.end();
      else if (!to.destroyed) to.write(bytes);
    }
  }
}

function cutAll(): void {
  cuts += 1;
  for (const { from, under } of lanes) {
    under.length = 0;
    from.resetAndDestroy();
  }
  lanes.clear();
}

function plan(cutting: CutPlan | undefined): void {
  clearTimeout(cutTimer);
  if (cutting === undefined) return;
  const next = (): void => {
    cutAll();
    cutTimer = setTimeout(next, cutting.everyMs);
  };
  cutTimer = setTimeout(next, cutting.firstMs);
}

function answer(message: Omit<LineAnswer, 'cuts'> = {}): void {
  process.send!({ ...message, cuts } satisfies LineAnswer);
  cuts = 0;
}

process.on('message', (order: LineOrder) => {
  if (order.do === 'cut') {
    plan(order.plan);
    answer();
    return;
  }
  shape = order.shape;
  const server = createServer({ allowHalfOpen: true }, (client) => open(client, order.targetPort));
  server.listen(0, '127.0.0.1', () => {
    makeReceiveBufferSmall(server);
    answer({ port: (server.address() as AddressInfo).port });
  });
  setInterval(deliver, TICK_MS);
});
process.once('disconnect', () => process.exit());
