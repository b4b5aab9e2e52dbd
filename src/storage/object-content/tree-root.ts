/**
 * The root of the published tree: the only object that nodes contend for, changed by compare-and-set alone. Whatever a
 * change rests on is read after the root that it replaces.
 */
import { randomBytes } from 'node:crypto';
import * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { bytesOfObject } from '../objects/object-body.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { PageRef } from '../entry-tree/branch-codec.ts';

const ROOT_KEY = 'i/root';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const schema = v.object({
  version: v.literal(1),
  generation: count,
  nonce: v.string(),
  tree: v.nullable(
    v.object({
      id: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      level: count,
      first: v.string(),
      entries: count,
      place: v.object({ key: v.string(), offset: count, lengthBytes: count }),
    }),
  ),
  reserved: v.nullable(v.string()),
  recent: v.array(v.object({ area: v.string(), order: v.string(), outcome: v.nullable(v.string()) })),
});

/** A commit whose session may not know yet that it is done. */
export interface RecentCommit {
  /** The staging area: the session's id, and the random number of the area. */
  readonly area: string;
  /** Digest of the order that was carried out. */
  readonly order: string;
  /** Key of the object that tells what was left out; null where nothing was. */
  readonly outcome: string | null;
}

/** A version of the root. */
export interface TreeRoot {
  /** Raised with every change. */
  readonly generation: number;
  /** The tree; undefined while it is empty. */
  readonly tree: PageRef | undefined;
  /** Commits of sessions that have not ended. */
  readonly recent: readonly RecentCommit[];
  /** Random number of a change that has lost again and again, for which the others wait a while. */
  readonly reserved?: string | undefined;
}

/** A root as it was read; a change of it succeeds only while it is the current one. */
export interface ReadRoot extends TreeRoot {
  readonly etag: string | null;
}

/** The parts of a root that a change sets. */
export type NextRoot = Pick<TreeRoot, 'tree' | 'recent' | 'reserved'>;

/** Reads and replaces the root. */
export interface RootObject {
  /** The current root. With `maxAgeMs` it may be one that was read within that time by this process. */
  read(maxAgeMs?: number): Promise<ReadRoot>;
  /** Replaces a root; undefined where it is not the current one any more. @throws CairnError storage codes */
  replace(root: ReadRoot, next: NextRoot): Promise<ReadRoot | undefined>;
}

const NO_ROOT: ReadRoot = { etag: null, generation: 0, tree: undefined, recent: [] };

/** Opens the root of the tree in a store. */
export function openRootObject(objects: ObjectStore): RootObject {
  let known: ReadRoot = NO_ROOT;
  let readAtMs = -Infinity;
  /** Of answers that come in another order the one with the highest generation stays. */
  const note = (root: ReadRoot, askedAtMs: number): ReadRoot => {
    if (root.generation >= known.generation) known = root;
    readAtMs = Math.max(readAtMs, askedAtMs);
    return root;
  };
  const readNow = async (): Promise<ReadRoot & { readonly nonce: string }> => {
    const askedAtMs = performance.now();
    const found = await objects.get(ROOT_KEY);
    if (found === undefined || found === 'unchanged') return { ...NO_ROOT, nonce: '' };
    const { nonce, ...root } = parse((await bytesOfObject(found)).toString());
    return { ...note({ ...root, etag: found.etag }, askedAtMs), nonce };
  };
  return {
    read: async (maxAgeMs = -1) => {
      const askedAtMs = performance.now();
      if (askedAtMs - readAtMs <= maxAgeMs) return known;
      if (known.etag === null) return readNow();
      const asked = known;
      const found = await objects.get(ROOT_KEY, { unless: asked.etag! });
      if (found === 'unchanged') return note(asked, askedAtMs);
      if (found === undefined) return NO_ROOT;
      const { nonce: _, ...root } = parse((await bytesOfObject(found)).toString());
      return note({ ...root, etag: found.etag }, askedAtMs);
    },
    replace: async (root, next) => {
      const nonce = randomBytes(12).toString('base64url');
      const generation = root.generation + 1;
      const { tree, recent, reserved } = next;
      const kept = { tree: tree ?? null, reserved: reserved ?? null, recent };
      const text = JSON.stringify({ version: 1, generation, nonce, ...kept });
      const askedAtMs = performance.now();
      let etag: string | undefined;
      try {
        etag = await objects.put(ROOT_KEY, Buffer.from(text), { ifMatch: root.etag });
      } catch (error) {
        // It may have been put all the same: the nonce tells.
        const current = await readNow();
        if (current.nonce !== nonce) throw error;
        etag = current.etag!;
      }
      return etag === undefined ? undefined : note({ generation, tree, recent, reserved, etag }, askedAtMs);
    },
  };
}

function parse(text: string): TreeRoot & { readonly nonce: string } {
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  if (!result.success) {
    const message = `the root of the published tree ("${ROOT_KEY}") is damaged, or of a later version of cairn`;
    throw new CairnError('storage-io', message, { details: { key: ROOT_KEY } });
  }
  const { generation, nonce, tree, recent, reserved } = result.output;
  return { generation, nonce, tree: tree ?? undefined, recent, reserved: reserved ?? undefined };
}
