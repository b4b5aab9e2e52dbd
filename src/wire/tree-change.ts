/** The message of `POST tree`. */
import * as v from 'valibot';
import { targetPath } from './messages.ts';

/**
 * A change of published entries without a transfer. `mkdir` with `parents` makes missing parents, and succeeds where
 * the directory exists; `remove` takes a directory with content only with `recursive`; `move` replaces a file, or an
 * empty directory by a directory, only with `replace`.
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
