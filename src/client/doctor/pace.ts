/** Whether pieces arrive as they are sent, both ways, or all at once after a proxy has collected them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from '../http/server-calls.ts';
import { ok, problem, warning, type Finding } from './finding.ts';
import { fetchProbe, sendProbe } from './probe.ts';

const PIECES = 4;
const PIECE_BYTES = 16 * 1024;
const EVERY_MS = 250;
/** As long as the pieces take to be sent; what arrives within half of it was held back. */
const SPREAD_MS = (PIECES - 1) * EVERY_MS;

/** Sends a body in pieces, and asks when they came. */
export async function checkUpload(server: Server, signal: AbortSignal): Promise<readonly Finding[]> {
  const lengthBytes = PIECES * PIECE_BYTES;
  const reply = await sendProbe(server, () => ({ lengthBytes, pieces: slowPieces(signal) }), signal);
  if (reply.bytes !== lengthBytes) {
    const message = `of a body of ${lengthBytes} bytes ${reply.bytes} arrived: something on the way changes bodies`;
    return [problem('upload', 'chunk-incomplete', message, 'take the proxy that does so out of the way')];
  }
  const [first, last] = [reply.arrivals.at(0)?.[0] ?? 0, reply.arrivals.at(-1)?.[0] ?? 0];
  if (last - first >= SPREAD_MS / 2) return [ok('upload', 'bodies arrive as they are sent')];
  const message = 'a proxy collects whole bodies before it passes them on: what a cut leaves is lost';
  return [warning('upload', message, 'turn that off (nginx: proxy_request_buffering off)')];
}

async function* slowPieces(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < PIECES; piece++) {
    if (piece > 0) await sleep(EVERY_MS, undefined, { signal });
    yield new Uint8Array(PIECE_BYTES);
  }
}

/** Asks for an answer in pieces, and sees when they come. */
export async function checkDownload(server: Server, signal: AbortSignal): Promise<readonly Finding[]> {
  const response = await fetchProbe(server, { pieces: PIECES, everyMs: EVERY_MS }, signal);
  let firstMs: number | undefined;
  let lastMs = 0;
  for await (const _ of response.body) {
    lastMs = performance.now();
    firstMs ??= lastMs;
  }
  if (lastMs - (firstMs ?? lastMs) >= SPREAD_MS / 2)
    return [ok('download', 'answers arrive as they are sent')];
  const message =
    'a proxy collects answers before it passes them on: long ones may look dead until they are whole';
  return [warning('download', message, 'turn that off (nginx: proxy_buffering off)')];
}
