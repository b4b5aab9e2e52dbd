/**
 * What was published in the name of authorizations that have a quota of bytes, as a document of the state.
 * Written before the session's record says that it is committed; a commit that is done again is not counted again.
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

/** Who is charged: the id of an authorization, which is never used again, and when it ends, if it does. */
export interface Charged {
  readonly id: string;
  readonly expiresAtMs?: number | undefined;
}

/** Counts what was published. */
export interface UsageLedger {
  /** Payload bytes that were published in the name of an authorization. */
  publishedBytes(id: string): number;
  /** Whether what a session publishes is in the numbers above, while its record may still say that it is unfinished. */
  isCounted(session: string): boolean;
  /** Charges what a session publishes, once. Durable when it resolves. @throws CairnError, storage codes */
  charge(session: string, charged: readonly Charged[], bytes: number): Promise<void>;
  /** Sessions of this server whose records tell by now that they are over need not be remembered. */
  settle(isOver: (session: string) => boolean): void;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Format = v.object({
  version: v.literal(1),
  published: v.array(v.object({ id: v.string(), bytes: count, expiresAtMs: v.optional(count) })),
  /** Sessions that are in these numbers, and whose records may not say so. */
  counted: v.array(v.string()),
});
type Kept = v.InferOutput<typeof Format>;

const USAGE: DocumentKind<Kept> = {
  key: 'a/usage',
  schema: v.pipe(v.string(), v.parseJson(), Format),
  format: (kept) => JSON.stringify(kept),
  unreadable: (where) =>
    `what was pushed so far in the name of each token, in "${where}", cannot be understood; put back a copy of the file, or move it away: all quotas then begin anew`,
};

/** An expired authorization publishes nothing more; a clock that was set wrong must not make it forgotten. */
const KEEP_EXPIRED_MS = 30 * 86_400_000;

/**
 * Opens the ledger of a state; nothing is written before something is charged.
 *
 * @param following where other servers charge to the same one
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

/** A ledger that is forgotten with its process, unless `document` keeps it. */
export function createUsageLedger(
  document: Pick<TypedDocument<Kept>, 'value' | 'change'> = inMemory(),
  now: () => number = Date.now,
): UsageLedger {
  const known = derivedFrom(document, indexOf);
  /** Sessions that are this server's to settle: those that were there when it began, and its own. */
  const own = new Set(known().counted);
  /** Those that the next change leaves out. */
  const settled = new Set<string>();
  return {
    publishedBytes: (id) => known().bytes.get(id) ?? 0,
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

/** What was published, with what comes to it now, and without what has been over for long. */
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

/** The document's entries, to be found by id. */
function indexOf({ published, counted }: Kept = NOTHING): {
  readonly bytes: ReadonlyMap<string, number>;
  readonly counted: ReadonlySet<string>;
} {
  return { bytes: new Map(published.map(({ id, bytes }) => [id, bytes])), counted: new Set(counted) };
}

function inMemory(): Pick<TypedDocument<Kept>, 'value' | 'change'> {
  let value: Kept | undefined;
  return {
    get value() {
      return value;
    },
    change: async (update) => void (value = update(value) ?? value),
  };
}
