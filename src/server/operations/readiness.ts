/** Checks on request whether a server can take uploads, and keeps the result for a while. */
import { storageError, type ErrorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';

/** A directory that a server has to write to. */
export interface StoragePlace {
  /** A word for people and metrics, such as `root`: a path would tell strangers too much. */
  readonly name: string;
  /** Writes a file and removes it. @throws CairnError a storage code */
  checkWritable(): Promise<void>;
  /** Undefined where the place does not tell. @throws CairnError a storage code */
  freeBytes(): Promise<number | undefined>;
}

/** Why a server is not ready: a place, or `server`, and the code of its problem. */
export interface Unreadiness {
  readonly where: string;
  readonly code: ErrorCode;
}

/** Checks the places of a server. */
export interface Readiness {
  /** The problems; none where the server is ready. */
  look(): Promise<readonly Unreadiness[]>;
  /** Free bytes of each place, where known. */
  freeBytesByPlace(): Promise<ReadonlyMap<string, number>>;
  /** Free bytes of the place that has the least; undefined where no place tells. */
  freeBytes(): Promise<number | undefined>;
}

/** How long a result is reused: each request must not cost a write. */
const GOOD_FOR_MS = 5000;
/** With less than this a place counts as full: room for a chunk of each of a few sessions, and for records. */
const LEAST_FREE_BYTES = 64 * 1024 * 1024;

interface Seen {
  readonly problems: readonly Unreadiness[];
  readonly freeBytes: ReadonlyMap<string, number>;
}

/** @param isDraining whether the server is shutting down */
export function createReadiness(
  places: readonly StoragePlace[],
  isDraining: () => boolean,
  { log, now }: { log: Logger; now: () => number },
): Readiness {
  let seen: { readonly atMs: number; readonly what: Promise<Seen> } | undefined;
  const see = (): Promise<Seen> => {
    const nowMs = now();
    // A clock that was set back must not keep an old result for ever.
    if (seen === undefined || Math.abs(nowMs - seen.atMs) >= GOOD_FOR_MS) {
      seen = { atMs: nowMs, what: lookAt(places, log) };
    }
    return seen.what;
  };
  return {
    look: async () => {
      if (isDraining()) return [{ where: 'server', code: 'server-busy' }];
      return (await see()).problems;
    },
    freeBytesByPlace: async () => (await see()).freeBytes,
    freeBytes: async () => {
      const all = [...(await see()).freeBytes.values()];
      return all.length === 0 ? undefined : Math.min(...all);
    },
  };
}

async function lookAt(places: readonly StoragePlace[], log: Logger): Promise<Seen> {
  const problems: Unreadiness[] = [];
  const freeBytes = new Map<string, number>();
  for (const place of places) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- two places, often of one disk
      const free = await place.freeBytes();
      if (free !== undefined) freeBytes.set(place.name, free);
      if (free !== undefined && free < LEAST_FREE_BYTES)
        problems.push({ where: place.name, code: 'storage-full' });
      // oxlint-disable-next-line no-await-in-loop
      await place.checkWritable();
    } catch (error) {
      const { code } = storageError(error, `looking at the ${place.name}`);
      log.warn({ place: place.name, err: error }, 'the server is not ready');
      problems.push({ where: place.name, code });
    }
  }
  return { problems, freeBytes };
}
