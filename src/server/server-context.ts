/** What the handlers of one server share. */
import type { Logger } from '../base/logger.ts';
import type { LoginOffer } from '../wire/messages.ts';
import type { SyncMode } from '../session/sync-mode.ts';
import type { ContentStore } from '../storage/content-store.ts';
import type { ByteBudget } from '../transfer/byte-budget.ts';
import type { GroupLimits } from '../transfer/group-commit.ts';
import type { SessionStore } from '../storage/state/session-store.ts';
import type { SteadyClock } from './core/clock.ts';
import type { LastSeen } from './core/last-seen.ts';
import type { Answering } from './http/answering.ts';
import type { FailedAuthentications } from './access/failed-authentications.ts';
import type { Authenticator } from './access/authenticator.ts';
import type { Grants } from './access/grants.ts';
import type { AddressReader } from './http/client-address.ts';
import type { Collector } from './core/sessions/collector.ts';
import type { LimitedLog } from './http/log-limiter.ts';
import type { ServerLimits } from './core/limits.ts';
import type { Usage } from './core/quota/quota.ts';
import type { HidePaths } from './core/own-paths.ts';
import type { Refusals } from './http/refusals.ts';
import type { ExposedMetrics, ServerMetrics } from './core/metrics.ts';
import type { Readiness } from './operations/readiness.ts';
import type { Leftovers } from './core/sessions/leftovers.ts';
import type { LiveSessions } from './core/sessions/live-sessions.ts';
import type { StagingRoom } from './core/sessions/staging-room.ts';

/** What a session in memory needs of its server. */
export interface SessionContext {
  readonly content: ContentStore;
  readonly sessions: SessionStore;
  readonly log: Logger;
  /** Takes paths of this machine out of what clients are told. */
  readonly hidePaths: HidePaths;
  /** Milliseconds since 1970 on a clock without jumps, by which sessions live. */
  readonly now: () => number;
  readonly clock: SteadyClock;
  /** Where is written down that this server was there. */
  readonly lastSeen: LastSeen;
  /** Milliseconds since 1970 as the world counts them, by which tokens and certificates end. */
  readonly wallNow: () => number;
  readonly leaseMs: number;
  /** How long a session may take in all, in milliseconds. */
  readonly maxAgeMs: number;
  /** When sync points of pushes come, unless a client wishes for a stricter mode. */
  readonly sync: SyncMode;
  readonly groupCommit: GroupLimits;
  readonly limits: ServerLimits;
  /** What is used of quotas. */
  readonly usage: Usage;
  /** What unfinished pushes may stage in all. */
  readonly room: StagingRoom;
  /** What ended sessions could not free. */
  readonly leftovers: Leftovers;
  /** Memory for chunks of pulls that are, or are being, compressed. */
  readonly encodingMemory: ByteBudget;
  /** Told of what is worth counting. */
  readonly metrics: ServerMetrics;
  /** Secret that the ids of sessions are made with. */
  readonly sessionKey: Uint8Array;
  /** Random id of this server: names the holder of what is not durable yet. */
  readonly instanceId: string;
}

/** Everything that a handler needs. */
export interface ServerContext extends SessionContext {
  /** Asked in this order who may do what. */
  readonly authenticators: readonly Authenticator[];
  /** Secret that it proves itself with to clients of the same user; undefined where it proves nothing. */
  readonly localKey: string | undefined;
  /** Issues transfer grants; undefined where this server has none. */
  readonly grants: Grants | undefined;
  /** Where a request came from. */
  readonly addressOf: AddressReader;
  /** Where access tokens come from, told to anyone. */
  readonly login?: LoginOffer | undefined;
  /** Requests of no session that are being answered. */
  readonly answering: Answering;
  readonly failedAuthentications: FailedAuthentications;
  readonly refusals: Refusals;
  /** For lines that strangers can cause. */
  readonly limitedLog: LimitedLog;
  /** The server's version, told to anyone. */
  readonly version: string;
  readonly live: LiveSessions;
  readonly collector: Collector;
  readonly readiness: Readiness;
  /** What has been counted; undefined where nobody wants to know. */
  readonly exposed: ExposedMetrics | undefined;
}
