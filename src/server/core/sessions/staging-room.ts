/**
 * Bounds the bytes that all unfinished transfers together may stage: each takes room for its manifest when that
 * comes, and for its chunks when its plan is agreed.
 */
import { formatBytes } from '../../../base/byte-text.ts';
import { CairnError } from '../../../base/errors.ts';
import { bringsBytes, type PassRecord } from '../../../session/pass-record.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { CoreLimits } from '../core-limits.ts';

/** The room for staged bytes: numbers in memory, which every run of the collector corrects. */
export interface StagingRoom {
  /**
   * Takes room for a session: for the payload to come, and for its documents.
   *
   * @throws CairnError `server-busy` where others have to end first, `storage-full` where it can never fit
   */
  take(id: string, payloadBytes: number, documentBytes: number): Promise<void>;
  /**
   * Takes room for documents to come, unless the session has as much. A pull may keep its documents in memory, so a
   * full disk does not refuse them.
   *
   * @throws CairnError like {@link take}
   */
  takeDocuments(id: string, bytes: number, pass: Pick<PassRecord, 'direction'>): Promise<void>;
  /** Gives back all room of a session beyond these bytes. */
  shrink(id: string, bytes: number): void;
  /** What a session has taken, in bytes. */
  of(id: string): number;
  /** Takes room for more documents than were announced. @throws CairnError like {@link take} */
  grow(id: string, bytes: number): void;
  /**
   * Takes room for a stream that has grown to this size: one chunk may lie far behind all others. @throws CairnError
   * like {@link take}
   */
  growStream(id: string, bytes: number): Promise<void>;
  /** Notes how much a session has at another node; 0: it needs none any more. */
  noteElsewhere(id: string, bytes: number): void;
  /** Gives back the room of a session that has ended. */
  release(id: string): void;
  /** Begins to count again: `note` takes every record, `done` drops the sessions without one. */
  recount(): { note(record: SessionRecord): void; done(): void };
  readonly bytes: number;
}

const GIB = 1024 ** 3;
/** Documents up to this size are taken on the fullest of disks. */
const SMALL_DOCUMENTS_BYTES = 1024 ** 2;
/** What stays free by default: a part of the disk, and no more than makes sense for a large one. */
const KEEP_FREE = { part: 0.05, maxBytes: GIB };

/** Makes the room of one server. */
export function createStagingRoom(
  content: ContentStore,
  limits: Pick<CoreLimits, 'maxStagingBytes' | 'keepFreeBytes'>,
): StagingRoom {
  const { maxStagingBytes: most } = limits;
  const taken = createTakenRoom();
  const { of, set } = taken;
  const fits = (id: string, bytes: number): boolean => taken.total() - of(id) + bytes <= most;
  const check = (id: string, bytes: number): void => {
    if (bytes > most) throw neverFits(bytes, most);
    if (!fits(id, bytes)) throw noRoomNow(bytes, most);
  };
  const grow = (id: string, bytes: number): void => {
    if (bytes <= of(id)) return;
    check(id, bytes);
    set(id, bytes);
  };
  return {
    get bytes() {
      return taken.total();
    },
    take: async (id, payloadBytes, documentBytes) => {
      const bytes = payloadBytes + documentBytes;
      check(id, bytes);
      // A push of names and times alone needs no room, on the fullest of disks.
      if (payloadBytes > 0) await checkDisk(content, payloadBytes, limits.keepFreeBytes);
      // Another session may have taken it while the disk was asked.
      check(id, bytes);
      set(id, bytes);
    },
    takeDocuments: async (id, bytes, pass) => {
      if (bytes <= of(id)) return;
      check(id, bytes);
      const needsDisk = bringsBytes(pass) && bytes > SMALL_DOCUMENTS_BYTES;
      if (needsDisk) await checkDisk(content, bytes, limits.keepFreeBytes);
      grow(id, bytes);
    },
    shrink: (id, bytes) => {
      if (of(id) > bytes) set(id, bytes);
    },
    of,
    grow,
    growStream: async (id, bytes) => {
      if (bytes <= of(id)) return;
      check(id, bytes);
      await checkDisk(content, bytes - of(id), limits.keepFreeBytes);
      grow(id, bytes);
    },
    noteElsewhere: (id, bytes) => {
      if (bytes === 0) set(id, undefined);
      else if (bytes > of(id)) set(id, bytes);
    },
    release: (id) => set(id, undefined),
    recount: taken.recount,
  };
}

/** The room of each session, and the sum. */
function createTakenRoom() {
  const taken = new Map<string, number>();
  let total = 0;
  let changed: Set<string> | undefined;
  const of = (id: string): number => taken.get(id) ?? 0;
  const set = (id: string, bytes: number | undefined): void => {
    total += (bytes ?? 0) - of(id);
    changed?.add(id);
    if (bytes === undefined) taken.delete(id);
    else taken.set(id, bytes);
  };
  const recount: StagingRoom['recount'] = () => {
    const seen = new Set<string>();
    const since = new Set<string>();
    changed = since;
    return {
      note: ({ id, state, pass }) => {
        if (isTerminal(state)) return;
        const { bytesTotal = 0, manifestBytes = 0 } = pass;
        seen.add(id);
        const bytes = manifestBytes + (bringsBytes(pass) ? bytesTotal : 0);
        if (!since.has(id) && bytes > of(id)) set(id, bytes);
      },
      done: () => {
        changed = undefined;
        for (const id of taken.keys()) if (!seen.has(id) && !since.has(id)) set(id, undefined);
      },
    };
  };
  return { total: () => total, of, set, recount };
}

function neverFits(bytes: number, most: number): CairnError {
  return new CairnError(
    'storage-full',
    `this transfer needs room for ${formatBytes(bytes)}, and the server stages at most ${formatBytes(most)} of all transfers together`,
    { details: { limit: 'staging' } },
  );
}

function noRoomNow(bytes: number, most: number): CairnError {
  return new CairnError(
    'server-busy',
    `this transfer needs room for ${formatBytes(bytes)}; the server stages at most ${formatBytes(most)}, and other transfers have to end first`,
    { details: { limit: 'staging' } },
  );
}

async function checkDisk(
  content: ContentStore,
  bytes: number,
  wantedFreeBytes: number | undefined,
): Promise<void> {
  const space = await content.space();
  if (space === undefined || wantedFreeBytes === 0) return;
  const { freeBytes, totalBytes } = space;
  const keepFreeBytes =
    wantedFreeBytes ?? Math.min(KEEP_FREE.maxBytes, Math.floor(totalBytes * KEEP_FREE.part));
  if (freeBytes - bytes >= keepFreeBytes) return;
  throw new CairnError(
    'storage-full',
    `this transfer needs ${formatBytes(bytes)}; ${formatBytes(freeBytes)} are free on the disk, and ${formatBytes(keepFreeBytes)} of them have to stay free`,
    { details: { limit: 'free-disk' } },
  );
}
