/** Documents that a client sends are read within the room and the quotas that its session has. */
import type { CoreLimits } from '../core-limits.ts';
import type { Limiter } from '../limiter.ts';
import { announcementOf } from '../quota/announcements.ts';
import { checkManifest, openUsage, type Usage } from '../quota/quota.ts';
import type { SessionWork } from './admission.ts';
import type { StagingRoom } from './staging-room.ts';

/** A document takes so much memory when it begins to come, and twice as much each time that this is used up. */
const FIRST_BYTES = 64 * 1024;

/** A document that comes. */
export interface ComingDocument {
  /** How long it is, where its sender says so. */
  readonly lengthBytes: number | undefined;
  /** Begins to read it. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** Aborted once its sender is gone. */
  readonly signal: AbortSignal;
}

/** What a session has beside the document: room for staged bytes, and the bytes and entries of its other documents. */
export interface DocumentsBefore {
  readonly roomBytes: number;
  readonly manifestBytes: number;
  readonly entries: number;
}

/** For the first document of a session. */
export const NOTHING_BEFORE: DocumentsBefore = { roomBytes: 0, manifestBytes: 0, entries: 0 };

/** A document that was read and checked. */
interface ReadDocument<Kept> {
  readonly encodedBytes: number;
  readonly entries: number;
  /** Makes it durable in the session; `bytes` is the room that it has taken. */
  readonly keep: (bytes: number) => Promise<Kept>;
}

/**
 * Reads a document and keeps it: room for it, and its part of quotas, are taken before anything is read, and given back
 * where nothing is kept. Called with nothing else at work on the session.
 *
 * @throws CairnError `quota-exceeded`, `server-busy`, `storage-full`, storage codes; what `read` and `keep` throw
 */
export type TakeDocument = <Kept>(
  work: SessionWork,
  coming: ComingDocument,
  before: DocumentsBefore,
  read: (body: AsyncIterable<Uint8Array>) => Promise<ReadDocument<Kept>>,
) => Promise<Kept>;

/** What documents are taken with. */
export interface DocumentTakingOptions {
  readonly manifestLimiter: Limiter;
  readonly room: StagingRoom;
  readonly usage: Usage;
  readonly limits: Pick<CoreLimits, 'maxEntriesPerPrincipal' | 'maxEntriesPerGrant'>;
}

/** Makes what takes the documents of one server. */
export function createTakeDocument(options: DocumentTakingOptions): TakeDocument {
  const { manifestLimiter, room, usage, limits } = options;
  return async (work, { lengthBytes, open, signal }, before, read) => {
    const { id, principal, authorization, pass } = work.live.record.value;
    const roomBefore = room.of(id);
    const check = (bytes: number, entries: number): void => {
      if (authorization === undefined) return;
      const coming = { manifestBytes: before.manifestBytes + bytes, entries: before.entries + entries };
      checkManifest(usage, { authorization, session: id }, coming, limits);
    };
    const cost = Math.min(lengthBytes ?? Infinity, FIRST_BYTES);
    return manifestLimiter({ principal, signal, cost }, async (grow) => {
      const { value: record } = work.live.record;
      await openUsage(
        usage,
        announcementOf(record, { manifestBytes: before.manifestBytes + (lengthBytes ?? 0) }),
      );
      try {
        check(lengthBytes ?? 0, 0);
        await room.takeDocuments(id, before.roomBytes + (lengthBytes ?? 0), pass);
        let mayHoldBytes = cost;
        const body = counted(open(), async (bytes) => {
          room.grow(id, before.roomBytes + bytes);
          if (bytes <= mayHoldBytes) return;
          mayHoldBytes = Math.max(bytes, 2 * mayHoldBytes);
          // Its sender may not have said how long it is.
          check(Math.max(bytes, lengthBytes ?? 0), 0);
          await grow(mayHoldBytes);
        });
        const { encodedBytes, entries, keep } = await read(body);
        const taken = {
          manifestBytes: before.manifestBytes + encodedBytes,
          entries: before.entries + entries,
        };
        await openUsage(usage, announcementOf(record, taken));
        check(Math.max(lengthBytes ?? 0, encodedBytes), entries);
        return await keep(room.of(id) - before.roomBytes);
      } catch (error) {
        usage.tally.release(id);
        room.shrink(id, roomBefore);
        const { manifestBytes, entries } = before;
        await usage.announcements?.tell(announcementOf(record, { manifestBytes, entries }));
        throw error;
      }
    });
  };
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (sum: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const piece of source) {
    sum += piece.byteLength;
    await onBytes(sum);
    yield piece;
  }
}
