/** The message of `POST tree`. */
import * as v from 'valibot';
import { targetPath } from './messages.ts';

/**
 * A change of what is published, without a transfer. `mkdir` with `parents` makes what is missing above, and takes a
 * directory that is there for done; `remove` takes a directory that is not empty only with `recursive`; `move` replaces
 * a file, or an empty directory by a directory, only with `replace`.
 */
export const TreeChange = v.variant('action', [
  v.object({ action: v.literal('mkdir'), path: targetPath, parents: v.optional(v.boolean()) }),
  v.object({ action: v.literal('remove'), path: targetPath, recursive: v.optional(v.boolean()) }),
  v.object({
    action: v.literal('move'),
    path: targetPath,
    to: targetPath,
    replace: v.optional(v.boolean()),
  }),
]);
/** {@link TreeChange} as a type. */
export type TreeChange = v.InferOutput<typeof TreeChange>;
