/** The messages about what a push deletes. */
import * as v from 'valibot';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/**
 * What became of a list of deletions: how many entries are no longer there, and the bytes of the files among them.
 * `kept` names some of those that stayed, `unlisted` counts the others; an unknown code stands for `storage-io`.
 */
export const Deleted = v.object({
  entries: count,
  bytes: count,
  /** Whether nothing was deleted, because something could not be published. */
  isSkipped: v.optional(v.boolean()),
  kept: v.pipe(
    v.array(
      v.object({
        code: v.pipe(v.string(), v.maxLength(64)),
        path: v.pipe(v.string(), v.maxLength(4096)),
      }),
    ),
    v.maxLength(1024),
  ),
  unlisted: count,
});
/** Answer to `PUT deletions`: the list is durable in the session. */
export const DeletionsTaken = v.object({ id: sha256Hex, entries: count });
/** {@link DeletionsTaken} as a type. */
export type DeletionsTaken = v.InferOutput<typeof DeletionsTaken>;
