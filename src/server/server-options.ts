/** The options of a server. */
import type { AddressRange } from '../base/address-range.ts';
import type { LoginOffer } from '../wire/messages.ts';
import type { SyncMode } from '../session/sync-mode.ts';
import type { ContentStore } from '../storage/content-store.ts';
import type { GroupLimits } from '../transfer/group-commit.ts';
import type { SharedMemory } from '../storage/state/shared-memory.ts';
import type { StateStore } from '../storage/state/state-store.ts';
import type { KeptCuts } from '../storage/state/kept-cuts.ts';
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

/** The parts and options of a server. It borrows the stores: the caller that opened them closes them after it. */
export interface ServerOptions {
  readonly content: ContentStore;
  readonly sessions: SessionStore;
  /** Keeps the recipes of large files that clients compare; without it they are cut each time. */
  readonly keptCuts?: KeptCuts | undefined;
  /**
   * The documents that all nodes share, where several servers serve the same stores: nodes judge ages by its clock, and
   * elect the one that collects. Without it this server takes itself for the only one.
   */
  readonly state?: StateStore | undefined;
  /** What tells this server from the others of its store, and how many these are; only where several share one. */
  readonly node?: { readonly id: string; count(): number } | undefined;
  /** What these nodes count and tell each other, besides; without it each of them counts for itself. */
  readonly memory?: SharedMemory | undefined;
  /** Tried in this order. */
  readonly authenticators: readonly Authenticator[];
  /** Where a client gets access tokens; the server tells every client. */
  readonly login?: LoginOffer | undefined;
  /** Where to listen; port 0 takes any free port. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Key and certificates: the server speaks TLS only; plain HTTP where undefined. Borrowed like the stores. */
  readonly tls?: KeptTls | undefined;
  /** Reverse proxies that the server believes about the addresses of clients. */
  readonly trustedProxies?: readonly AddressRange[];
  readonly version: string;
  /** Whether pushes with a token for that set owners, groups and access control lists; without it none does. */
  readonly allowOwners?: boolean;
  readonly log: Logger;
  /** Directories whose paths the server hides from clients. */
  readonly ownDirectories?: readonly OwnDirectory[];
  /** The clock, in milliseconds since 1970; it does not jump. It replaces that of `state`, too. */
  readonly now?: () => number;
  /** The clocks of the system, where the wall clock may jump; not used where there is a `now`. */
  readonly clocks?: ClockSources;
  /** When an earlier run of the server was last seen: by it the server notices a clock that is wrong at a start. */
  readonly lastSeen?: LastSeen;
  /**
   * Secret key of session ids, 32 bytes. It has to stay the same over restarts: otherwise an answer that is lost before
   * a restart leaves a session without a client. Random for this run where it is missing.
   */
  readonly sessionKey?: Uint8Array;
  /** Secret key of its proofs for clients of the same user on this machine; without it the server proves nothing. */
  readonly localKey?: string;
  /** Called with the address once the server listens; the server answers no request before this is over. */
  readonly onListening?: (bound: { readonly address: string; readonly port: number }) => Promise<void>;
  /** How long the server keeps a session without requests, in milliseconds. */
  readonly leaseMs?: number;
  /** How long a session may take in all, in milliseconds. */
  readonly maxAgeMs?: number;
  /** When the server makes sync points of pushes; a client may wish for a stricter mode. */
  readonly sync?: SyncMode;
  /** How much an automatic sync point covers at most. */
  readonly groupCommit?: GroupLimits;
  readonly limits?: Partial<ServerLimits>;
  /** Counts the bytes that tokens with a quota publish; in memory where it is missing. */
  readonly usage?: UsageLedger;
  /** Transfer grants, which also stand among the authenticators. */
  readonly grants?: Grants;
  /** The directories that the server writes to, which `readyz` checks. */
  readonly places?: readonly StoragePlace[];
  /** Makes the metrics; without it the server counts nothing and has no page of metrics. */
  readonly metrics?: OpenMetrics;
  /** Where to answer about the server's health without a token; nowhere where missing. */
  readonly metricsListen?: { readonly host: string; readonly port: number };
}
