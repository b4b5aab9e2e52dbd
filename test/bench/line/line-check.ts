/** Whether a line carries what it should: plain sockets through it, to something that throws everything away. */
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LONG_LINE, type LineShape } from './line-shape.ts';
import { openLine } from './open-line.ts';

/** What plain sockets get out of a line. */
export interface LineCheck {
  /** Milliseconds between a byte and its echo. */
  readonly roundTripMs: number;
  /** Megabits a second of one connection, and of twenty-five. */
  readonly oneMbits: number;
  readonly allMbits: number;
}

const MANY = 25;
const SETTLE_MS = 600;
const COUNT_MS = 2000;
const PIECE = Buffer.alloc(64 * 1024);

/** Measures a line for some seconds. */
export async function checkLine(shape: LineShape = LONG_LINE): Promise<LineCheck> {
  let received = 0;
  const sink = createServer((socket) => {
    socket.on('error', () => undefined);
    // The first byte is sent back.
    socket.once('data', () => socket.write('.'));
    socket.on('data', (bytes: Buffer) => (received += bytes.length));
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.1', resolve));
  const line = await openLine(shape, (sink.address() as AddressInfo).port);
  const roundTripMs = await echo(line.port);
  const rate = async (connections: number): Promise<number> => {
    const stop = Array.from({ length: connections }, () => flood(line.port));
    await delay(SETTLE_MS);
    const [before, startedAt] = [received, performance.now()];
    await delay(COUNT_MS);
    const mbits = ((received - before) * 8) / 1000 / (performance.now() - startedAt);
    stop.forEach((end) => end());
    await delay(100);
    return mbits;
  };
  const [oneMbits, allMbits] = [await rate(1), await rate(MANY)];
  line.close();
  sink.close();
  return { roundTripMs, oneMbits, allMbits };
}

async function echo(port: number): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  // Until the line has carried the connection itself.
  await delay(400);
  const startedAt = performance.now();
  socket.write('.');
  await new Promise((resolve) => socket.once('data', resolve));
  socket.destroy();
  return performance.now() - startedAt;
}

function flood(port: number): () => void {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const write = (): void => {
    while (socket.write(PIECE));
  };
  socket.on('connect', write).on('drain', write);
  return () => socket.destroy();
}
