/** Whether pieces arrive as they are sent, both ways, or all at once after a proxy has collected them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProbeReply } from '../../wire/admin-messages.ts';
import type { Server } from '../http/server-calls.ts';
import { ok, problem, warning, type Finding } from './finding.ts';
import { fetchProbe, sendProbe } from './probe-calls.ts';

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
    return [problem('upload', 'chunk-incomplete', message, 'remove the proxy that changes them')];
  }
  return [judgeUploadPace(reply), ...judgeCoding(reply)];
}

function judgeUploadPace(reply: ProbeReply): Finding {
  const [first, last] = [reply.arrivals.at(0)?.[0] ?? 0, reply.arrivals.at(-1)?.[0] ?? 0];
  if (last - first >= SPREAD_MS / 2) return ok('upload', 'bodies arrive as they are sent');
  const message =
    'a proxy collects whole bodies before it passes them on: after a cut the server has nothing of them';
  return warning('upload', message, 'turn that off (nginx: proxy_request_buffering off)');
}

function judgeCoding({ coding }: ProbeReply): readonly Finding[] {
  if (coding !== 'chunked') return [];
  const message =
    'a proxy takes the length of bodies away (chunked coding): transfers work, but the server cannot see beforehand that a body is too long';
  const remedy =
    'have it leave Content-Length as it is (nginx: no module that changes bodies; Apache: no proxy-sendchunked)';
  return [warning('upload', message, remedy)];
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
  const isSpread = lastMs - (firstMs ?? lastMs) >= SPREAD_MS / 2;
  const pace = isSpread ? ok('download', 'answers arrive as they are sent') : COLLECTED_ANSWERS;
  // The server always says it.
  return response.header('content-length') === undefined ? [pace, ANSWERS_WITHOUT_LENGTH] : [pace];
}

const COLLECTED_ANSWERS = warning(
  'download',
  'a proxy collects answers before it passes them on: long ones may look dead until they are whole',
  'turn that off (nginx: proxy_buffering off)',
);
const ANSWERS_WITHOUT_LENGTH = warning(
  'download',
  'a proxy takes the length of answers away (chunked coding): transfers work, and a cut answer is noticed later',
  'have it leave answers as they are: nothing that compresses or changes bodies (nginx: gzip off, no sub_filter)',
);
