/**
 * Decides which of many nodes over the same stores carries out a commit: one at a time, by the lease in the session's
 * record. A server that shares its stores with no other one reads and writes nothing for this.
 */
import { claimedBy } from '../../../session/publisher.ts';
import {
  isLeaseOver,
  isPublishing,
  type SessionChanges,
  type SessionRecord,
} from '../../../session/record.ts';
import type { LiveRecord } from './live-record.ts';
import { openClaim, UNDISPUTED, type Claim, type ClaimOptions } from './publisher-claim.ts';

/** The publishers of sessions, as one node sees them. */
export interface Publishers {
  /** Whether there may be other nodes. */
  readonly isShared: boolean;
  /** Whether another node carries out the commit, or may do so. */
  isElsewhere(record: SessionRecord): boolean;
  /** Whether a tree may be published in part, so that its publishing must be finished. */
  isBegun(record: SessionRecord): boolean;
  /** Whether a node has left a commit unfinished, and no other one has taken over. */
  isAbandoned(record: SessionRecord): boolean;
  /** Changes that make this node the publisher. Only where there is no other one. */
  claim(current: SessionRecord): SessionChanges;
  /** The claim that {@link claim} has put into a record. */
  claimOf(record: LiveRecord): Claim;
}

/** The parts that tell publishers apart. */
export interface PublishersOptions extends ClaimOptions {
  /** Whether other nodes see the same records. */
  readonly isShared: boolean;
}

/** Makes the publishers of one server's sessions. */
export function createPublishers(options: PublishersOptions): Publishers {
  const { isShared, instanceId, now, publisherLeaseMs } = options;
  if (!isShared) return alone(instanceId);
  const isStanding = ({ publisher }: SessionRecord): boolean => now() < (publisher?.untilMs ?? 0);
  const isElsewhere = (record: SessionRecord): boolean =>
    record.state === 'committing' && isStanding(record) && record.publisher?.node !== instanceId;
  const isBegun = ({ state, publisher }: SessionRecord): boolean =>
    state === 'committing' && publisher?.begun === true;
  return {
    isShared,
    isElsewhere,
    isBegun,
    isAbandoned: (record) => {
      if (!isPublishing(record) || isStanding(record)) return false;
      // A failed commit waits for its client, which gets the error; but no tree stays in part.
      const hasFailed = record.publisher?.untilMs === 0;
      return !hasFailed || (isBegun(record) && isLeaseOver(record, now()));
    },
    claim: ({ publisher }) => {
      const untilMs = now() + publisherLeaseMs;
      return { holder: instanceId, publisher: claimedBy(instanceId, { before: publisher, untilMs }) };
    },
    claimOf: (record) => openClaim(record, options),
  };
}

/** Only this process works on its sessions: a commit that an earlier run of it holds was interrupted. */
function alone(instanceId: string): Publishers {
  return {
    isShared: false,
    isElsewhere: () => false,
    isBegun: () => false,
    isAbandoned: (record) => isPublishing(record) && record.holder !== instanceId,
    claim: () => ({ holder: instanceId }),
    claimOf: () => UNDISPUTED,
  };
}
