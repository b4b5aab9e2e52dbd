/** What a server is made of, and what may be chosen of it. */
import type { AddressRange } from '../base/address-range.ts';
import type { LoginOffer } from '../wire/messages.ts';
import type { SyncMode } from '../session/sync-mode.ts';
import type { ContentStore } from '../storage/content-store.ts';
import type { GroupLimits } from '../transfer/group-commit.ts';
import type { StateStore } from '../storage/state/state-store.ts';
import type { SessionStore } from '../storage/state/session-store.ts';
import type { Authenticator } from './access/authenticator.ts';
import type { Grants } from './access/grants.ts';
import type { ClockSources } from './core/clock.ts';
import type { ServerLimits } from './server-limits.ts';
import type { OpenMetrics } from './operations/metrics.ts';
import type { StoragePlace } from './operations/readiness.ts';
import type { UsageLedger } from './core/quota/usage-ledger.ts';
import type { OwnDirectory } from './core/own-paths.ts';
import type { LastSeen } from './core/last-seen.ts';
import type { Logger } from '../base/logger.ts';
import type { KeptTls } from './access/kept-tls.ts';

/** What a server is made of. It borrows the stores: whoever opened them closes them after it. */
export interface ServerOptions {
  readonly content: ContentStore;
  readonly sessions: SessionStore;
  /**
   * The documents that all nodes share, where several servers serve the same stores: by its clock ages are judged, and in it the
   * node is elected that collects. Without, this server takes itself for the only one.
   */
  readonly state?: StateStore | undefined;
  /** Asked in this order who may do what. */
  readonly authenticators: readonly Authenticator[];
  /** Where a client gets access tokens; told to anyone. */
  readonly login?: LoginOffer | undefined;
  /** Where to listen; port 0 takes any that is free. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Speaks TLS with this, and nothing else; plain HTTP, where undefined. Borrowed like the stores. */
  readonly tls?: KeptTls | undefined;
  /** Reverse proxies whose word on the addresses of clients is taken. */
  readonly trustedProxies?: readonly AddressRange[];
  readonly version: string;
  readonly log: Logger;
  /** Directories whose paths clients are not told. */
  readonly ownDirectories?: readonly OwnDirectory[];
  /** The clock, in milliseconds since 1970; it does not jump. Used in place of that of `state`, too. */
  readonly now?: () => number;
  /** The clocks of the system, of which one may jump; not used where there is a `now`. */
  readonly clocks?: ClockSources;
  /** When the server before this one was last there: how a clock is noticed that is wrong at a start. */
  readonly lastSeen?: LastSeen;
  /**
   * Secret that the ids of sessions are made with, 32 bytes: the same over restarts, or an answer that was lost before
   * one leaves a session that nobody uses. Made for this run, where it is missing.
   */
  readonly sessionKey?: Uint8Array;
  /** Secret that it proves itself with to clients of the same user on this machine; without, it proves nothing. */
  readonly localKey?: string;
  /** Told where it listens, once it does; no request is answered before this is over. */
  readonly onListening?: (bound: { readonly address: string; readonly port: number }) => Promise<void>;
  /** How long a session is kept that nobody touches, in milliseconds. */
  readonly leaseMs?: number;
  /** How long a session may take in all, in milliseconds. */
  readonly maxAgeMs?: number;
  /** When sync points of pushes come; a client may wish for a stricter mode. */
  readonly sync?: SyncMode;
  /** How much a sync point covers at most, where it comes by itself. */
  readonly groupCommit?: GroupLimits;
  readonly limits?: Partial<ServerLimits>;
  /** Where is counted what tokens with a quota publish; in memory, where it is missing. */
  readonly usage?: UsageLedger;
  /** Transfer grants, which are among the authenticators, too. */
  readonly grants?: Grants;
  /** The directories that it writes to: what `readyz` looks at. */
  readonly places?: readonly StoragePlace[];
  /** Counts what happens; without it nothing is counted, and there is no page of metrics. */
  readonly metrics?: OpenMetrics;
  /** Where to answer about the server's health without a token; nowhere unless given. */
  readonly metricsListen?: { readonly host: string; readonly port: number };
}
