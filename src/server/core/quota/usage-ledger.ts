/**
 * The bytes that were published under authorizations with a quota, as a document of the state. It is written before
 * the session's record says committed; a repeated commit is not counted twice.
 */
import * as v from 'valibot';
import type { StateStore } from '../../../storage/state/state-store.ts';
import {
  derivedFrom,
  openDocument,
  type DocumentKind,
  type Following,
  type TypedDocument,
} from '../../../storage/state/typed-document.ts';

/** The authorization that pays: its id, which is never used again, and its end, if it has one. */
export interface Charged {
  readonly id: string;
  readonly expiresAtMs?: number | undefined;
}

/** Counts published bytes. */
export interface UsageLedger {
  /** Payload bytes that were published under an authorization. */
  publishedBytes(id: string): number;
  /** Whether the numbers above include a session, while its record may still say unfinished. */
  isCounted(session: string): boolean;
  /** Charges a session's bytes once. Durable when it resolves. @throws CairnError, storage codes */
  charge(session: string, charged: readonly Charged[], bytes: number): Promise<void>;
  /** Reads what other servers have charged until now. @throws CairnError, storage codes */
  refresh(): Promise<void>;
  /** Forgets sessions of this server whose records say by now that they are over. */
  settle(isOver: (session: string) => boolean): void;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Format = v.object({
  version: v.literal(1),
  published: v.array(v.object({ id: v.string(), bytes: count, expiresAtMs: v.optional(count) })),
  /** Sessions that these numbers include, and whose records may not say so. */
  counted: v.array(v.string()),
});
type Kept = v.InferOutput<typeof Format>;

const USAGE: DocumentKind<Kept> = {
  key: 'a/usage',
  schema: v.pipe(v.string(), v.parseJson(), Format),
  format: (kept) => JSON.stringify(kept),
  unreadable: (where) =>
    `the counts of bytes that each token has pushed, in "${where}", cannot be understood; put back a copy of the file, or move it away: all quotas then begin anew`,
};

/** An expired authorization publishes nothing more, but a wrong clock must not erase its count. */
const KEEP_EXPIRED_MS = 30 * 86_400_000;

/**
 * Opens the ledger of a state; nothing is written before the first charge.
 *
 * @param following where other servers charge to the same ledger
 * @throws CairnError `config-invalid` for a document that cannot be understood; storage codes
 */
export async function openUsageLedger(
  state: StateStore,
  { now, following }: { readonly now?: () => number; readonly following?: Following } = {},
): Promise<UsageLedger> {
  const document = await openDocument(state, USAGE);
  if (following !== undefined) document.follow(following);
  return createUsageLedger(document, now);
}

/** A ledger in memory, which `document` keeps if it is given. */
export function createUsageLedger(
  document: Pick<TypedDocument<Kept>, 'value' | 'change' | 'look'> = inMemory(),
  now: () => number = Date.now,
): UsageLedger {
  const known = derivedFrom(document, indexOf);
  /** Sessions that this server settles: those that were there when it began, and its own. */
  const own = new Set(known().counted);
  /** Sessions that the next change leaves out. */
  const settled = new Set<string>();
  return {
    publishedBytes: (id) => known().bytes.get(id) ?? 0,
    refresh: () => document.look(),
    isCounted: (session) => known().counted.has(session) && !settled.has(session),
    settle: (isOver) => {
      const { counted } = known();
      for (const session of settled) if (!counted.has(session)) settled.delete(session);
      for (const session of own) {
        if (!isOver(session)) continue;
        own.delete(session);
        settled.add(session);
      }
    },
    charge: async (session, charged, bytes) => {
      await document.change((kept = NOTHING) => {
        if (kept.counted.includes(session)) return kept;
        const counted = [...kept.counted.filter((id) => !settled.has(id)), session];
        return { version: 1, published: added(kept.published, charged, { bytes, nowMs: now() }), counted };
      });
      own.add(session);
    },
  };
}

const NOTHING: Kept = { version: 1, published: [], counted: [] };

/** The numbers with a new charge, without those that expired long ago. */
function added(
  published: Kept['published'],
  charged: readonly Charged[],
  { bytes, nowMs }: { readonly bytes: number; readonly nowMs: number },
): Kept['published'] {
  const sums = new Map(published.map((entry) => [entry.id, entry]));
  for (const { id, expiresAtMs } of charged) {
    const sum = (sums.get(id)?.bytes ?? 0) + bytes;
    sums.set(id, { id, bytes: sum, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) });
  }
  return [...sums.values()].filter(({ expiresAtMs = Infinity }) => expiresAtMs + KEEP_EXPIRED_MS >= nowMs);
}

/** The document's entries by id. */
function indexOf({ published, counted }: Kept = NOTHING): {
  readonly bytes: ReadonlyMap<string, number>;
  readonly counted: ReadonlySet<string>;
} {
  return { bytes: new Map(published.map(({ id, bytes }) => [id, bytes])), counted: new Set(counted) };
}

function inMemory(): Pick<TypedDocument<Kept>, 'value' | 'change' | 'look'> {
  let value: Kept | undefined;
  return {
    get value() {
      return value;
    },
    change: async (update) => void (value = update(value) ?? value),
    look: async () => undefined,
  };
}
