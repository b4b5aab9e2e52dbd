/** Ends a server: in order, within the time that supervisors wait, or at once. */
import { atMost } from '../base/at-most.ts';
import type { Logger } from '../base/logger.ts';
import type { Watch } from './access-watch.ts';
import type { Collector } from './core/sessions/collector.ts';
import type { Leftovers } from './core/sessions/leftovers.ts';
import type { LiveSessions } from './core/sessions/live-sessions.ts';
import type { Channels } from './http/channel-upgrades.ts';
import type { HttpServer } from './http/listen.ts';
import type { OperationsPort } from './operations/operations-port.ts';

/** How long requests in flight may take to end. */
export const GRACE_MS = 4000;
/** How long they may take to notice that their connections are cut. */
const CUT_MS = 1000;
/** How long everything else may take: sync points, commits, the end of the collector. */
const END_MS = 2500;

/** The parts of a server that work on sessions. */
export interface Sessions {
  readonly live: LiveSessions;
  readonly collector: Collector;
  readonly leftovers: Leftovers;
}

/** The parts of a running server that its end touches. */
export interface Parts {
  readonly sessions: Sessions;
  readonly log: Logger;
  readonly http: HttpServer;
  readonly channels: Channels;
  readonly operations: OperationsPort | undefined;
  /** Frees the metrics, and logs how many lines were left out. */
  readonly close: () => void;
  readonly life: { isDraining: boolean; isKilled: boolean };
  /** Requests in flight. */
  readonly active: ReadonlySet<Promise<void>>;
  readonly beginning: Promise<void>;
  readonly watch: Watch;
}

/** Ends in order: first the requests in flight, then the sessions, each with a sync point. */
export async function drain(parts: Parts, graceMs: number): Promise<void> {
  const { log, channels, life, active } = parts;
  life.isDraining = true;
  const closed = stopListening(parts.http);
  channels.drain();
  await atMost(graceMs, Promise.all(active));
  cutConnections(parts);
  await atMost(CUT_MS, Promise.all(active));
  let isOver = false;
  const ending = endSessions(parts, closed).then(() => (isOver = true));
  await atMost(END_MS, ending);
  if (!isOver) {
    // The stores refuse writes of this server from now on: the next one may begin.
    life.isKilled = true;
    ending.catch((error: unknown) => log.error({ err: error }, 'ending failed'));
    log.warn({}, 'ended with work under way; the next start goes on with it');
  }
  await closePorts(parts);
}

async function endSessions({ sessions, beginning, watch }: Parts, closed: Promise<void>): Promise<void> {
  await watch.stop();
  sessions.leftovers.stop();
  // A session that publishes a large tree must not delay the sync points of the others.
  await Promise.all([sessions.live.suspendAll(), sessions.collector.stop(), beginning]);
  await sessions.live.suspendAll();
  await closed;
}

/** Ends at once and forgets everything, as a killed process would. */
export async function kill(parts: Parts): Promise<void> {
  const { sessions, life, active, watch } = parts;
  life.isDraining = true;
  life.isKilled = true;
  const closed = stopListening(parts.http);
  cutConnections(parts);
  await atMost(10_000, Promise.all(active));
  await watch.stop();
  sessions.leftovers.stop();
  await sessions.collector.stop();
  await sessions.live.forgetAll();
  await closed;
  await closePorts(parts);
}

function cutConnections({ http, channels }: Parts): void {
  // The connections of Node's server, those that it has released, and those that it has not got yet.
  http.server.closeAllConnections();
  channels.destroy();
  http.connections.destroy();
}

async function closePorts({ operations, close }: Parts): Promise<void> {
  await operations?.close();
  close();
}

function stopListening({ server }: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
