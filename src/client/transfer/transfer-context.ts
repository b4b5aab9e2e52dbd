/** What all parts of one run share: the server, the retrier, the signal, the counters. */
import type { Proxy, ReachOptions } from '../api/reach.ts';
import { linkedController } from '../../base/abort-signals.ts';
import { CairnError } from '../../base/errors.ts';
import { openConnection, type Connection } from '../http/connection.ts';
import { isBeyondConnections } from '../http/beyond-connections.ts';
import { createChannels, type Channels } from '../http/channel-requests.ts';
import { isForeign, isHopeless } from '../http/connection-error.ts';
import { discover, type Discovery } from '../http/discovery.ts';
import type { Report, TransferEvent, TransferSummary } from '../api/events.ts';
import { MAX_ADAPTIVE_PARALLEL, type TransferOptions } from '../api/options.ts';
import { createCompression, type Compression } from './compression.ts';
import { WISHED_CHUNKS } from '../../manifest/chunk-size.ts';
import { createFlow, LONG_ROUND_TRIP_MS, type Flow } from './flow.ts';
import { createRetrier, type Retrier } from '../http/retry.ts';
import { createAccess } from '../http/access.ts';
import { limitBandwidth, UNLIMITED } from '../http/bandwidth.ts';
import type { Server } from '../http/server-calls.ts';

/** Numbers of this run. */
export interface Counters {
  /** Payload bytes that crossed the wire. */
  bytesMoved: number;
  /** What compression kept off the wire. */
  bytesSaved: number;
  resumes: number;
}

/** The surroundings of a run. Close it. */
export interface TransferContext {
  readonly server: Server;
  readonly retrier: Retrier;
  /** Aborted with the caller's signal, for the same reason. */
  readonly signal: AbortSignal;
  readonly report: Report;
  /** Whether entries are reported by their names. */
  readonly namesEntries: boolean;
  readonly counters: Counters;
  /** Chunks on their way at a time at most, as the server is asked for. */
  readonly parallel: number;
  /** Whether a round trip takes long enough to spare some. */
  readonly isLongLine: boolean;
  /** How many chunks a transfer should have at least, as far as their size allows. */
  readonly wishedChunks: number;
  /** How many of them there are now. */
  readonly flow: Flow;
  readonly compression: Compression;
  readonly now: () => number;
  /** Milliseconds since the run began. */
  durationMs(): number;
  close(): Promise<void>;
}

/** What has to be known to open them. */
export interface ContextOptions
  extends ReachOptions, Pick<TransferOptions, 'parallel' | 'compress' | 'encodings' | 'namesEntries'> {
  /** Whether something was begun, now or by an earlier run, that is worth waiting for what hardly ever comes. */
  readonly hasBegun?: () => boolean;
}

/**
 * Finds the server, waiting for it as long as the options say.
 *
 * @throws CairnError what {@link discover} throws, and `network` where the server stays away; at once, unless the run is
 * patient, where there is no such host, or TLS comes to nothing
 */
export async function openContext(options: ContextOptions): Promise<TransferContext> {
  const { url, tls, proxy, report, retryForMs, random, silenceMs, now = () => performance.now() } = options;
  const isPatient = (): boolean => options.isPatient === true || options.hasBegun?.() === true;
  const startMs = now();
  const bandwidth = options.bandwidth === undefined ? UNLIMITED : limitBandwidth(options.bandwidth);
  const parallel = options.parallel ?? MAX_ADAPTIVE_PARALLEL;
  const life = linkedController(options.signal);
  const { signal } = life.controller;
  signal.throwIfAborted();
  let channels: Channels | undefined;
  const closeIdle = (): number => (channels?.closeIdle() ?? 0) + connection.closeIdle();
  const makeRoom = (error: CairnError): boolean => {
    // Where one connection fell silent, the idle ones are as dead: each would be waited for once more.
    if (error.code === 'timeout') closeIdle();
    // Idle ones of our own may be all that the server gives to this address.
    return isBeyondConnections(error) && closeIdle() > 0;
  };
  const isGivenUpSoon = (error: CairnError): boolean => isForeign(error) && !isPatient();
  const retrier = createRetrier({ retryForMs, signal, report, now, random, makeRoom, isGivenUpSoon });
  const connection = await openConnection(url, {
    connections: parallel + 2,
    guard: options.guard,
    tls,
    proxy,
    pace: options.pace,
    silenceMs,
  });
  try {
    const isFinal = (error: CairnError): boolean => isHopeless(error) && !isPatient();
    const found = await retrier.run(() => discover(connection, url, signal, now), { isFinal });
    const { roundTripMs } = found;
    retrier.progressed();
    const isLongLine = roundTripMs >= LONG_ROUND_TRIP_MS;
    channels = usesChannels(found, { proxy, isLongLine })
      ? createChannels(connection, { root: found.root, pace: options.pace, silenceMs })
      : undefined;
    const chunks = channels ?? connection;
    const isFixed = options.parallel !== undefined;
    return {
      server: { ...found, connection, chunks, access: createAccess(options.token), bandwidth },
      retrier,
      signal,
      report,
      namesEntries: options.namesEntries ?? false,
      counters: { bytesMoved: 0, bytesSaved: 0, resumes: 0 },
      parallel,
      isLongLine,
      wishedChunks: isLongLine ? WISHED_CHUNKS.onLongLine : WISHED_CHUNKS.usual,
      flow: createFlow({ max: parallel, isFixed, roundTripMs, now }),
      compression: createCompression({ mode: options.compress, encodings: options.encodings, now }),
      now,
      durationMs: () => Math.round(now() - startMs),
      close: async () => {
        channels?.close();
        await close(life, connection);
      },
    };
  } catch (error) {
    await close(life, connection);
    throw error;
  }
}

/** Finds the server, and works with it. @throws CairnError like {@link openContext} */
export async function inContext<Result>(
  options: ContextOptions,
  work: (context: TransferContext) => Promise<Result>,
): Promise<Result> {
  const context = await openContext(options);
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

/** On a long line it is the line that counts, and every channel costs a round trip more. */
function usesChannels(
  { hasChannels }: Discovery,
  { proxy, isLongLine }: { proxy: Proxy | undefined; isLongLine: boolean },
): boolean {
  return hasChannels && proxy === undefined && !isLongLine;
}

async function close(life: ReturnType<typeof linkedController>, connection: Connection): Promise<void> {
  life.letGo();
  // Whatever still waits for a better moment must not keep the process alive.
  life.controller.abort(new CairnError('interrupted', 'the transfer is over'));
  await connection.close();
}

/** A report that turns warnings into notices: for what a later pass may still put right. */
export function softened(report: Report): Report {
  return (event: TransferEvent) => {
    if (event.type !== 'warning') report(event);
    else
      report({
        type: 'notice',
        message: `${event.path}: ${event.message}; it is looked at again after this`,
      });
  };
}

/** What a run has counted so far, as its summary tells it. */
export function countsOf({
  counters,
  retrier,
  durationMs,
}: TransferContext): Pick<
  TransferSummary,
  'bytesMoved' | 'bytesSaved' | 'retries' | 'resumes' | 'durationMs'
> {
  const { bytesMoved, bytesSaved, resumes } = counters;
  return { bytesMoved, bytesSaved, resumes, retries: retrier.retries, durationMs: durationMs() };
}
