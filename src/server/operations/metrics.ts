/** The counters of a server, independent of the format that shows them. The core knows only callbacks. */
import type { SharedMemory } from '../../storage/state/shared-memory.ts';
import type { SessionState } from '../../session/state.ts';
import type { Collected } from '../core/sessions/collecting.ts';
import type { RequestMetrics } from '../http/count-failure.ts';

/** The counters, called at most once a chunk. Its functions never throw. */
export interface ServerMetrics extends RequestMetrics {
  /** Payload bytes of a chunk arrived. The server had `twiceBytes` of them before, partial or durable. */
  received(bytes: number, twiceBytes: number): void;
  /** Payload bytes of a chunk, or of a file, went out. */
  sent(bytes: number): void;
  /** A session was resumed in a new epoch. */
  resumed(): void;
  /** The collector freed `count` things of one kind. */
  collected(what: Collected, count: number): void;
  /** A transfer was published by this server. */
  committed(): void;
  /** The store made staged chunks durable. */
  synced(durationMs: number): void;
}

/** Counts nothing, for servers without metrics. */
export const NO_METRICS: ServerMetrics = {
  requestEnded: () => undefined,
  authenticationFailed: () => undefined,
  refusedByLimit: () => undefined,
  received: () => undefined,
  sent: () => undefined,
  resumed: () => undefined,
  collected: () => undefined,
  committed: () => undefined,
  synced: () => undefined,
};

/** The values that are looked up when a client asks for metrics. */
export interface MetricsSources {
  /** Whether this server tells what all servers of its store have in common, so that it is told once. */
  tellsShared(): boolean;
  /** How many servers share the store; undefined where it is not shared. */
  nodes(): number | undefined;
  sessionsByState(): Promise<ReadonlyMap<SessionState, number>>;
  openConnections(): Promise<number>;
  /** Bytes that unfinished pushes have reserved in staging. */
  stagedBytes(): number;
  /** What nodes share beside their store; undefined where they share nothing else. */
  readonly memory: Pick<SharedMemory, 'isThere' | 'asked'> | undefined;
  /** By the name of the place; see {@link StoragePlace}. */
  freeBytes(): Promise<ReadonlyMap<string, number>>;
}

/** Counters that can be shown as a page. */
export interface ExposedMetrics extends ServerMetrics {
  /** The page, and the media type of its format. */
  page(): Promise<{ readonly type: string; readonly text: string }>;
  /** Frees the counters. */
  close(): void;
}

/** Makes the metrics of one server. */
export type OpenMetrics = (sources: MetricsSources) => ExposedMetrics;
