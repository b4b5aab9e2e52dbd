/**
 * Which node carries out a commit, where many nodes share their stores: one at a time, by the lease in the session's record. A
 * server that shares its stores with no other one asks nothing and writes nothing.
 */
import { claimedBy } from '../../../session/publisher.ts';
import { isLeaseOver, type SessionRecord } from '../../../session/record.ts';
import type { LiveRecord } from './live-record.ts';
import { openClaim, UNDISPUTED, type Claim, type ClaimOptions } from './publisher-claim.ts';

/** The publishers of sessions, as one node sees them. */
export interface Publishers {
  /** Whether there may be other nodes. */
  readonly isShared: boolean;
  /** Whether another node carries out the commit just now, or may do so. */
  isElsewhere(record: SessionRecord): boolean;
  /** Whether a tree may be in its place in part, so that its publishing is to be finished, and not given up. */
  isBegun(record: SessionRecord): boolean;
  /** Whether the node that carried out a commit has left it in the middle, and no other one has taken over. */
  isAbandoned(record: SessionRecord): boolean;
  /** Changes with which this node becomes the publisher. Only where no other one is. */
  claim(current: SessionRecord): Partial<SessionRecord>;
  /** The claim that stands in a record since {@link claim}. */
  claimOf(record: LiveRecord): Claim;
}

/** What publishers are told apart with. */
export interface PublishersOptions extends ClaimOptions {
  /** Whether other nodes see the same records. */
  readonly isShared: boolean;
}

/** Makes what tells the publishers of one server's sessions. */
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
      if (record.state !== 'committing' || record.direction !== 'push' || isStanding(record)) return false;
      // What failed waits for its client, who is told why; but no tree stays in part.
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

/** Nothing but this process works on its sessions: a commit that another run of it holds is one that was interrupted. */
function alone(instanceId: string): Publishers {
  return {
    isShared: false,
    isElsewhere: () => false,
    isBegun: () => false,
    isAbandoned: ({ state, direction, holder }) =>
      state === 'committing' && direction === 'push' && holder !== instanceId,
    claim: () => ({ holder: instanceId }),
    claimOf: () => UNDISPUTED,
  };
}
