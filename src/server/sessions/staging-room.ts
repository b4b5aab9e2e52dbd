/** What all unfinished pushes together may stage: each takes what its plan needs when that is agreed. */
import { CairnError } from '../../base/errors.ts';
import type { SessionRecord } from '../../session/record.ts';
import { isTerminal } from '../../session/state.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { ServerLimits } from '../limits.ts';

/** The room for staged bytes. Numbers in memory, which every run of the collector makes true. */
export interface StagingRoom {
  /**
   * Takes room for a session that needs so many bytes in all.
   *
   * @throws CairnError `server-busy` where others have to end first, `storage-full` where it can never fit
   */
  take(id: string, bytes: number): Promise<void>;
  /** A stream has become so long: nobody knew before. @throws CairnError `storage-full` */
  grow(id: string, bytes: number): void;
  /** The session has ended. */
  release(id: string): void;
  /** Begins to count anew: `note` takes every record, `done` puts an end to what had none. */
  recount(): { note(record: SessionRecord): void; done(): void };
  readonly bytes: number;
}

const GIB = 1024 ** 3;
/** What stays free unless something else was set: a part of the disk, and no more than is good for a large one. */
const KEEP_FREE = { part: 0.05, maxBytes: GIB };

/** Makes the room of one server. */
export function createStagingRoom(
  content: ContentStore,
  limits: Pick<ServerLimits, 'maxStagingBytes' | 'keepFreeBytes'>,
): StagingRoom {
  const { maxStagingBytes: most } = limits;
  const held = new Map<string, number>();
  let total = 0;
  let changed: Set<string> | undefined;
  const set = (id: string, bytes: number | undefined): void => {
    total += (bytes ?? 0) - (held.get(id) ?? 0);
    changed?.add(id);
    if (bytes === undefined) held.delete(id);
    else held.set(id, bytes);
  };
  const fits = (id: string, bytes: number): boolean => total - (held.get(id) ?? 0) + bytes <= most;
  return {
    get bytes() {
      return total;
    },
    take: async (id, bytes) => {
      // Who only brings names and times needs no room, on the fullest of disks.
      if (bytes === 0) return;
      if (bytes > most) throw neverFits(bytes, most);
      if (!fits(id, bytes)) throw noRoomNow(bytes, most);
      await checkDisk(content, bytes, limits.keepFreeBytes);
      set(id, bytes);
    },
    grow: (id, bytes) => {
      if (bytes <= (held.get(id) ?? 0)) return;
      if (!fits(id, bytes)) throw neverFits(bytes, most);
      set(id, bytes);
    },
    release: (id) => set(id, undefined),
    recount: () => {
      const seen = new Set<string>();
      const since = new Set<string>();
      changed = since;
      return {
        note: ({ id, direction, state, bytesTotal = 0 }) => {
          if (direction !== 'push' || isTerminal(state)) return;
          seen.add(id);
          if (!since.has(id)) set(id, Math.max(bytesTotal, held.get(id) ?? 0));
        },
        done: () => {
          changed = undefined;
          for (const id of held.keys()) if (!seen.has(id) && !since.has(id)) set(id, undefined);
        },
      };
    },
  };
}

function neverFits(bytes: number, most: number): CairnError {
  return new CairnError(
    'storage-full',
    `this needs room for ${bytes} bytes, and the server stages at most ${most} of all transfers together`,
    { details: { limit: 'staging' } },
  );
}

function noRoomNow(bytes: number, most: number): CairnError {
  return new CairnError(
    'server-busy',
    `this needs room for ${bytes} bytes; the server stages at most ${most}, and other transfers have to end first`,
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
    `this needs ${bytes} bytes; ${freeBytes} are free on the disk, of which ${keepFreeBytes} have to stay free`,
    { details: { limit: 'free-disk' } },
  );
}
