/**
 * The claim of one node on a session whose commit it carries out: renewed during the work, checked before each few
 * changes.
 */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { repeatedly } from '../../../base/repeatedly.ts';
import { givenBack, type Publisher } from '../../../session/publisher.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import type { LiveRecord } from './live-record.ts';

/** The claim of a node on a session whose commit it carries out. */
export interface Claim {
  /** Changes of the record that end the claim; `error` is the commit's. Throws where the claim is lost. */
  endWith(current: SessionRecord, error?: unknown): Pick<SessionRecord, 'publisher'>;
  /**
   * Checks, before a published tree is changed, that this node still may. The first call writes down that publishing
   * has begun. Undefined where there is no other node.
   *
   * @throws CairnError `server-busy` where another node has taken over
   */
  readonly confirm: (() => Promise<void>) | undefined;
  /** Renews the claim from time to time, until the caller calls the returned function. */
  keep(entriesDone: () => number): () => void;
  /** Whether another node has taken over. */
  isLost(): Promise<boolean>;
}

/** The parts that open claims. */
export interface ClaimOptions {
  readonly instanceId: string;
  readonly now: () => number;
  readonly publisherLeaseMs: number;
  readonly log: Logger;
}

/** The claim of a server that shares its stores with no other one. */
export const UNDISPUTED: Claim = {
  endWith: () => ({}),
  confirm: undefined,
  keep: () => () => undefined,
  isLost: async () => false,
};

/** Opens the claim that this node has just written into a record. */
export function openClaim(record: LiveRecord, options: ClaimOptions): Claim {
  const { now, publisherLeaseMs } = options;
  const held = holding(record.value, options.instanceId);
  let isBegun = false;
  let entriesDone = (): number => record.value.publisher?.entriesDone ?? 0;
  const renew = async (begins: boolean): Promise<void> => {
    await record.change(undefined, (current) => {
      const publisher = held.check(current);
      const begun = begins || publisher.begun;
      const untilMs = now() + publisherLeaseMs;
      return { publisher: { ...publisher, untilMs, entriesDone: entriesDone(), begun } };
    });
  };
  const isDue = ({ untilMs }: Publisher): boolean => untilMs - now() < (publisherLeaseMs * 2) / 3;
  return {
    endWith: (current, error) => {
      // An error of one entry comes again; an error of the store may be over by then.
      const isToBeFinished = error !== undefined && !isOfOneEntry(error);
      return { publisher: givenBack(held.check(current), isToBeFinished) };
    },
    confirm: async () => {
      const publisher = held.check(await record.refresh());
      if (isBegun && !isDue(publisher)) return;
      await renew(true);
      isBegun = true;
    },
    keep: (count) => {
      entriesDone = count;
      return repeatedly(
        () => renew(false),
        publisherLeaseMs / 3,
        (error) => {
          options.log.debug(
            { session: record.value.id, err: error },
            'this node could not renew its claim on a commit',
          );
        },
      );
    },
    isLost: async () => {
      try {
        held.check(await record.refresh());
      } catch (error) {
        if (!held.isLost())
          options.log.debug(
            { session: record.value.id, err: error },
            'this node could not read its claim on a commit',
          );
      }
      return held.isLost();
    },
  };
}

/** The publisher in a record, if it still has the claim of `first`. */
function holding(
  { publisher: first }: SessionRecord,
  instanceId: string,
): { readonly check: (current: SessionRecord) => Publisher; readonly isLost: () => boolean } {
  let isLost = false;
  const check = ({ state, publisher }: SessionRecord): Publisher => {
    const isHeld = publisher?.node === instanceId && publisher.term === first?.term;
    if (state === 'committing' && isHeld) return publisher;
    isLost = true;
    throw new CairnError('server-busy', 'another node has taken over the publishing of this session');
  };
  return { check, isLost: () => isLost };
}
