/** The latest time at which a server was there; the next start compares its clock with it. */
import * as v from 'valibot';
import type { StateStore } from '../../storage/state/state-store.ts';
import { openDocument, type DocumentKind } from '../../storage/state/typed-document.ts';

/** Remembers when a server was last there. */
export interface LastSeen {
  /** When the server before this one was last there, in milliseconds since 1970; undefined where that is not known. */
  readonly atMs: number | undefined;
  /** Durable when it resolves. @throws CairnError, storage codes */
  save(nowMs: number): Promise<void>;
}

/** Remembers nothing. */
export const NEVER_SEEN: LastSeen = { atMs: undefined, save: async () => undefined };

/** Milliseconds since 1970 as digits; null for a text without a time. */
const LAST_SEEN: DocumentKind<number | null> = {
  key: 'a/last-seen',
  schema: v.pipe(
    v.string(),
    v.transform((text) => (/^\d{1,15}$/.test(text.trim()) ? Number(text) : null)),
  ),
  format: (atMs) => `${atMs ?? ''}\n`,
  unreadable: (where) => `"${where}" holds no time`,
};

/** Opens the time that a state remembers; a damaged document counts as none. @throws storage codes */
export async function openLastSeen(state: StateStore): Promise<LastSeen> {
  const document = await openDocument(state, LAST_SEEN);
  return { atMs: document.value ?? undefined, save: (nowMs) => document.change(() => nowMs) };
}
