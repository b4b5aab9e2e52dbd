/** How large a body may be on its way to the server. */
import { CairnError, type ErrorCode } from '../../base/errors.ts';
import type { Server } from '../http/server-calls.ts';
import { failed, ok, problem, warning, type Finding } from './finding.ts';
import { sendProbe, emptyBody } from './probe-calls.ts';

const KIB = 1024;
/** Chunk sizes, the last of them the usual one. */
const SIZES = [64, 128, 256, 512, 1024, 2048, 4096, 8192].map((size) => size * KIB);
/** What follows a chunk: its digest. */
const FOOTER_BYTES = 32;
/** What a limit on the way looks like: an answer of the proxy's own, or a connection that it cuts. */
const REFUSALS = new Set<ErrorCode>(['body-too-large', 'network', 'invalid-request', 'chunk-incomplete']);
/** A line that needs longer for one chunk is slow. */
const USUAL_CHUNK_MS = 20_000;

/** Sends a chunk of the usual size, and where that does not arrive, finds out which one does. */
export async function checkBodySize(server: Server, signal: AbortSignal): Promise<readonly Finding[]> {
  const startMs = performance.now();
  const refusal = await trySize(server, SIZES.at(-1)!, signal);
  if (refusal === undefined) return [judgePace(performance.now() - startMs)];
  if (!REFUSALS.has(refusal.code)) return [failed('body-size', refusal)];
  const { largest, said } = await largestSize(server, refusal, signal);
  const { code } = said;
  if (largest === undefined) {
    const message = `no chunk arrives, however small: ${said.message}`;
    return [problem('body-size', code, message, 'have the proxy take bodies of any size')];
  }
  const message = `bodies of ${SIZES.at(-1)! / KIB} KiB do not arrive, those of ${largest / KIB} KiB do: ${said.message}`;
  const remedy = `lift the limit of the proxy (nginx: client_max_body_size 0), or use --chunk-size ${largest / KIB}K`;
  return [problem('body-size', code, message, remedy)];
}

function judgePace(tookMs: number): Finding {
  const seconds = Math.round(tookMs / 1000);
  if (tookMs <= USUAL_CHUNK_MS) return ok('body-size', 'a chunk of the usual size (8 MiB) arrives whole');
  const message = `a chunk of the usual size (8 MiB) arrives whole, and takes ${seconds} s`;
  return warning('body-size', message, 'on such a line use smaller chunks: --chunk-size 1M');
}

/**
 * By halving: a limit lets through everything below it. Who sends much may see only that the connection was cut, who
 * sends less the answer that came before: the clearest of what was said is told.
 */
async function largestSize(
  server: Server,
  first: CairnError,
  signal: AbortSignal,
): Promise<{ largest: number | undefined; said: CairnError }> {
  let said = first;
  let [low, high] = [-1, SIZES.length - 1];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    // oxlint-disable-next-line no-await-in-loop -- each size depends on what became of the one before
    const refusal = await trySize(server, SIZES[middle]!, signal);
    if (refusal === undefined) low = middle;
    else if (REFUSALS.has(refusal.code)) high = middle;
    else throw refusal;
    if (said.code === 'network' && refusal !== undefined) said = refusal;
  }
  return { largest: SIZES[low], said };
}

/** Undefined when it arrived whole. */
async function trySize(server: Server, size: number, signal: AbortSignal): Promise<CairnError | undefined> {
  try {
    const lengthBytes = size + FOOTER_BYTES;
    const { bytes } = await sendProbe(server, () => emptyBody(lengthBytes), signal);
    if (bytes === lengthBytes) return undefined;
    return new CairnError('chunk-incomplete', `of ${lengthBytes} bytes ${bytes} arrived`);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CairnError) return error;
    throw error;
  }
}
