/**
 * What was published in the name of authorizations that have a quota of bytes: `usage.json` of the state directory.
 * Written before the session's record says that it is committed; a commit that is done again is not counted again.
 */
import { join } from 'node:path';
import * as v from 'valibot';
import { replaceFileDurably } from '../../../base/durable-files.ts';
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { readIfThere } from '../../../base/read-if-there.ts';

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
  /** Sessions whose records tell by now that they are over need not be remembered. */
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

/** An expired authorization publishes nothing more; a clock that was set wrong must not make it forgotten. */
const KEEP_EXPIRED_MS = 30 * 86_400_000;

/**
 * Opens the ledger of a state directory; nothing is written before something is charged.
 *
 * @throws CairnError `config-invalid` for a file that cannot be understood; storage codes
 */
export async function openUsageLedger(
  stateDirectory: string,
  now: () => number = Date.now,
): Promise<UsageLedger> {
  const path = join(stateDirectory, 'usage.json');
  const save = (kept: Kept): Promise<void> => replaceFileDurably(path, JSON.stringify(kept), 0o600);
  return createUsageLedger(await load(path), save, now);
}

/** A ledger that is forgotten with its process, unless `save` keeps what it is given. */
export function createUsageLedger(
  kept: Kept = { version: 1, published: [], counted: [] },
  save: (kept: Kept) => Promise<void> = async () => undefined,
  now: () => number = Date.now,
): UsageLedger {
  const published = new Map(kept.published.map((entry) => [entry.id, entry]));
  const counted = new Set(kept.counted);
  const write = async (): Promise<void> => {
    for (const [id, { expiresAtMs = Infinity }] of published)
      if (expiresAtMs + KEEP_EXPIRED_MS < now()) published.delete(id);
    await save({ version: 1, published: [...published.values()], counted: [...counted] });
  };
  const saveAll = oneAtATime(write);
  let isDirty = false;
  return {
    publishedBytes: (id) => published.get(id)?.bytes ?? 0,
    isCounted: (session) => counted.has(session),
    settle: (isOver) => {
      for (const session of counted) if (isOver(session)) counted.delete(session);
    },
    charge: async (session, charged, bytes) => {
      if (!counted.has(session)) {
        counted.add(session);
        for (const { id, expiresAtMs } of charged) {
          const sum = (published.get(id)?.bytes ?? 0) + bytes;
          published.set(id, { id, bytes: sum, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) });
        }
        isDirty = true;
      }
      // Also where an earlier try could not write it down.
      if (!isDirty) return;
      await saveAll();
      isDirty = false;
    },
  };
}

/** Runs `work` so that whoever asks gets a run that began after that; those who wait together share one. */
function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= running.then(() => {
      next = undefined;
      const run = work();
      running = run.catch(() => undefined); // told to whoever asked for it
      return run;
    });
    return next;
  };
}

async function load(path: string): Promise<Kept | undefined> {
  const bytes = await readIfThere(path);
  if (bytes === undefined) return undefined;
  try {
    return v.parse(Format, JSON.parse(bytes.toString('utf8')));
  } catch (error) {
    const message = `what was pushed so far in the name of each token, in "${printable(path)}", cannot be understood; put back a copy of the file, or move it away: all quotas then begin anew`;
    throw new CairnError('config-invalid', message, { cause: error });
  }
}
