/** The latest time that a server has lived by, `last-seen` of its state directory: what its next start is held against. */
import { join } from 'node:path';
import { replaceFileDurably } from '../../base/durable-files.ts';
import { readIfThere } from '../../base/read-if-there.ts';

/** Remembers until when a server was there. */
export interface LastSeen {
  /** When the server before this one was last seen, in milliseconds since 1970; undefined where nobody knows. */
  readonly atMs: number | undefined;
  /** Durable when it resolves. @throws CairnError, storage codes */
  save(nowMs: number): Promise<void>;
}

/** Remembers nothing. */
export const NEVER_SEEN: LastSeen = { atMs: undefined, save: async () => undefined };

/** Opens what a state directory, which exists, remembers; a file that cannot be understood says nothing. @throws storage codes */
export async function openLastSeen(stateDirectory: string): Promise<LastSeen> {
  const path = join(stateDirectory, 'last-seen');
  const text = (await readIfThere(path))?.toString('utf8').trim();
  const atMs = text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  return { atMs, save: (nowMs) => replaceFileDurably(path, `${nowMs}\n`, 0o600) };
}
