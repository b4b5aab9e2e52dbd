/**
 * What sessions will bring, told to the other nodes before it is checked against quotas. All nodes tell it in one order: of two
 * that take the last of a quota at the same time, the later one learns of the earlier one.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as v from 'valibot';
import { createMutex } from '../../../base/mutex.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { SharedMemory } from '../../../storage/state/shared-memory.ts';
import type { StagingRoom } from '../sessions/staging-room.ts';
import { authorizationsOf, type Amounts, type ToldElsewhere, type WritableTally } from './session-tally.ts';
import type { UsageLedger } from './usage-ledger.ts';

/** What is told of one session. */
export interface Announced extends ToldElsewhere {
  /** Of one that is over: false where the ledger has no bytes of it, so that nobody has to read that first. */
  readonly isCharged?: boolean;
}

/** Tells and hears announcements. */
export interface Announcements {
  /** Tells one, and takes in what others have told before; does nothing while the memory is away. */
  tell(announced: Announced): Promise<void>;
}

const amount = v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
const Text = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    session: v.string(),
    principal: v.string(),
    authorizations: v.pipe(v.array(v.string()), v.maxLength(2)),
    amounts: v.object({ bytes: amount, manifestBytes: amount, entries: amount }),
    end: v.exactOptional(v.picklist(['withdrawn', 'over'])),
    isCharged: v.exactOptional(v.boolean()),
  }),
);

/** Where announcements are told, and what takes them in. */
interface Announcing {
  readonly memory: Pick<SharedMemory, 'append'>;
  readonly tally: Pick<WritableTally, 'noteElsewhere'>;
  readonly room: Pick<StagingRoom, 'noteElsewhere'>;
  readonly ledger: Pick<UsageLedger, 'refresh'>;
}

/** Makes the announcements of one node. */
export function createAnnouncements({ memory, tally, room, ledger }: Announcing): Announcements {
  const takeIn = (announced: Announced): void => {
    const { session, amounts, end } = announced;
    const { bytes = 0, manifestBytes = 0 } = tally.noteElsewhere(announced) ?? {};
    if (end !== undefined || amounts.bytes !== undefined) room.noteElsewhere(session, bytes + manifestBytes);
  };
  const inTurn = createMutex();
  return {
    tell: async (announced) => {
      const texts = (await memory.append(JSON.stringify(announced))) ?? [];
      const heard = texts.flatMap((text) => {
        const parsed = v.safeParse(Text, text);
        return parsed.success ? [parsed.output] : [];
      });
      await inTurn(async () => {
        // The request before has checked and reserved by then: what stands behind it in the list must not count against it.
        await nextTurn();
        // What ended sessions published was charged before they ended: until that is known here they count as unfinished.
        if (heard.some(({ end, isCharged }) => end === 'over' && isCharged !== false)) await ledger.refresh();
        for (const each of heard) takeIn(each);
      });
    },
  };
}

/** What is told of a session with a record. */
export function announcementOf(
  record: Pick<SessionRecord, 'id' | 'principal' | 'authorization'>,
  amounts: Partial<Amounts>,
  end?: Announced['end'],
): Announced {
  const { id, principal } = record;
  return { session: id, principal, authorizations: authorizationsOf(record), amounts, end };
}

/**
 * The same sessions; that one has ended is told before its client learns of it.
 *
 * @param isCharged whether the ledger may have bytes of a session
 */
export function tellingEnds(
  sessions: SessionStore,
  { tell }: Announcements,
  isCharged: (record: SessionRecord) => boolean,
): SessionStore {
  return {
    ...sessions,
    replace: async (next) => {
      const isReplaced = await sessions.replace(next);
      if (isReplaced && isTerminal(next.state))
        await tell({ ...announcementOf(next, {}, 'over'), isCharged: isCharged(next) });
      return isReplaced;
    },
  };
}
