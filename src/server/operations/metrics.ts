/** What a server counts, whoever shows it. Who is told of what happens knows nothing of it: a callback is enough there. */
import type { SessionState } from '../../session/state.ts';
import type { Collected } from '../core/sessions/collecting.ts';
import type { RequestMetrics } from '../http/count-failure.ts';

/** Told of what happens, at most once a chunk. None of it throws. */
export interface ServerMetrics extends RequestMetrics {
  /** Payload bytes of a request for a chunk came in. `twiceBytes` of them were held or durable before. */
  received(bytes: number, twiceBytes: number): void;
  /** Payload bytes of a chunk, or of a file, went out. */
  sent(bytes: number): void;
  /** A session went on in a new epoch. */
  resumed(): void;
  /** The collector freed so much of something. */
  collected(what: Collected, count: number): void;
  /** The store made what was staged durable. */
  synced(durationMs: number): void;
}

/** For servers of which nobody wants to know. */
export const NO_METRICS: ServerMetrics = {
  requestEnded: () => undefined,
  authenticationFailed: () => undefined,
  refusedByLimit: () => undefined,
  received: () => undefined,
  sent: () => undefined,
  resumed: () => undefined,
  collected: () => undefined,
  synced: () => undefined,
};

/** What is looked up when metrics are asked for. */
export interface MetricsSources {
  sessionsByState(): Promise<ReadonlyMap<SessionState, number>>;
  openConnections(): Promise<number>;
  /** What unfinished pushes have room for. */
  stagedBytes(): number;
  /** By the name of the place; see {@link StoragePlace}. */
  freeBytes(): Promise<ReadonlyMap<string, number>>;
}

/** Metrics that can be shown. */
export interface ExposedMetrics extends ServerMetrics {
  /** The page in the format that its media type names. */
  page(): Promise<{ readonly type: string; readonly text: string }>;
  /** Gives back what watches over the process. */
  close(): void;
}

/** Makes the metrics of one server. */
export type OpenMetrics = (sources: MetricsSources) => ExposedMetrics;
