/** The messages about tree ids, with their validators. */
import * as v from 'valibot';
import { metadataNames, targetPath } from './messages.ts';

const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

/** `POST tree-id`: a client that may push to the target asks whether the target has the same tree already. */
export const TreeIdRequest = v.object({ target: targetPath, metadata: v.optional(metadataNames) });
/** {@link TreeIdRequest} as a type. */
export type TreeIdRequest = v.InferOutput<typeof TreeIdRequest>;

/**
 * Answer: the id of the target's manifest with chunks of 64 KiB and xxh64. Null where the target does not exist, or has
 * entries that no manifest can have.
 */
export const TreeIdReply = v.object({ id: v.nullable(sha256Hex) });
/** {@link TreeIdReply} as a type. */
export type TreeIdReply = v.InferOutput<typeof TreeIdReply>;
