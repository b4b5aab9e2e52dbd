/** What a check examines, open and kept from servers. */
import type { Finding } from '../../../server/core/check/findings.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { StoreIncident } from '../../../storage/incident.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';

/** The stores of a check. */
export interface CheckedStores {
  readonly content: ContentStore;
  readonly sessions: SessionStore;
  /** Incidents that the stores report; see `CheckOptions`. */
  readonly incidents: StoreIncident[];
  /** The clock by which leases are judged, in milliseconds since 1970. */
  readonly now: () => number;
  /** Examines what is published, after the sessions; answers how many entries and objects it has seen. */
  readonly examinePublished?: (
    told: PublishedFindings,
  ) => Promise<{ readonly entries: number; readonly objects: number }>;
  close(): Promise<void>;
}

/** Called with what is found in published trees. */
export interface PublishedFindings {
  readonly find: (finding: Finding) => void;
  readonly onProgress: (entries: number) => void;
}
