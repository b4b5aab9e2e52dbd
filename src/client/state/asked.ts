/** What a run asked for that its record keeps, and whether a later run asks for something else. */
import * as v from 'valibot';
import { DIGEST_ALGORITHMS } from '../../manifest/digest.ts';
import { SELECT_ALL, selectionId } from '../../manifest/selection.ts';
import type { TransferOptions } from '../api/options.ts';

/** What was asked for; what was left open is missing. */
export const Asked = v.object({
  checksum: v.boolean(),
  digest: v.optional(v.picklist(DIGEST_ALGORITHMS)),
  chunkSizeBytes: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  /** What was asked of modes, see {@link modesWord}. */
  modes: v.optional(v.string()),
  /** The id of the selection, see {@link selectionWord}. */
  selection: v.optional(v.string()),
  /** The kinds of metadata, in one word. */
  metadata: v.optional(v.string()),
});
/** {@link Asked} as a type. */
export type Asked = v.InferOutput<typeof Asked>;

/** The part of a record that is compared; one of an older cairn does not know what was asked for. */
interface Recorded {
  readonly asked?: Asked | undefined;
  readonly digest: string;
  readonly chunkSizeBytes: number;
  readonly plan?: { readonly parts?: string | undefined } | undefined;
}

/** What a run asks for. */
export type Wishes = Pick<
  TransferOptions,
  | 'checksum'
  | 'wholeFiles'
  | 'digest'
  | 'chunkSizeBytes'
  | 'preserveModes'
  | 'chmod'
  | 'metadata'
  | 'selection'
>;

/** What a record keeps of that. */
export function askedOf(wishes: Wishes): Asked {
  const { checksum = false, digest, chunkSizeBytes } = wishes;
  const modes = modesWord(wishes);
  const selection = selectionWord(wishes);
  return {
    checksum,
    ...(digest === undefined ? {} : { digest }),
    ...(chunkSizeBytes === undefined ? {} : { chunkSizeBytes }),
    ...(modes === undefined ? {} : { modes }),
    ...(selection === undefined ? {} : { selection }),
    ...(metadataWord(wishes) === undefined ? {} : { metadata: metadataWord(wishes) }),
  };
}

/** The options about modes in one word, to be compared; undefined for none. */
function modesWord({ preserveModes = false, chmod }: Wishes): string | undefined {
  const words = [...(preserveModes ? ['preserve'] : []), ...(chmod?.words ?? [])];
  return words.length === 0 ? undefined : words.join(' ');
}

/** What tells one selection from another; undefined where nothing was asked. */
function selectionWord({ selection = SELECT_ALL }: Wishes): string | undefined {
  const id = selectionId(selection);
  return id === selectionId(SELECT_ALL) ? undefined : id;
}

/** The kinds of metadata in one word, to be compared; undefined for none. */
function metadataWord({ metadata = [] }: Wishes): string | undefined {
  return metadata.length === 0 ? undefined : [...metadata].toSorted().join(' ');
}

/**
 * Why this run cannot go on with a recorded transfer: its chunks are of another size, or have other digests, than it asks
 * for, it selects other entries, or it keeps more metadata. Undefined where it can. The server may have agreed to another
 * size than was asked for, which asking again does not change.
 */
export function otherThanAsked(recorded: Recorded, wishes: Wishes): string | undefined {
  const { digest, chunkSizeBytes } = wishes;
  if (recorded.asked?.selection !== selectionWord(wishes))
    return 'the unfinished transfer selects other entries than this run; it starts over';
  if (hasMoreMetadata(recorded, wishes))
    return 'the unfinished transfer keeps metadata that this run does not ask for; it starts over';
  if (wishes.wholeFiles === true && recorded.plan?.parts !== undefined)
    return 'the unfinished transfer carries parts of changed files, and this run asks for whole ones; it starts over';
  if (digest !== undefined && digest !== recorded.digest)
    return `the unfinished transfer has ${recorded.digest} digests, and this run asks for ${digest}; it starts over`;
  const sizes = [recorded.chunkSizeBytes, recorded.asked?.chunkSizeBytes];
  if (chunkSizeBytes !== undefined && !sizes.includes(chunkSizeBytes))
    return `the unfinished transfer has chunks of ${recorded.chunkSizeBytes} bytes, and this run asks for ${chunkSizeBytes}; it starts over`;
  return undefined;
}

/** To finish it would set, for example, owners; more kinds are added by a pass after it. */
function hasMoreMetadata({ asked }: Recorded, { metadata = [] }: Wishes): boolean {
  const wished = new Set<string>(metadata);
  return asked?.metadata?.split(' ').some((kind) => !wished.has(kind)) ?? false;
}

/**
 * Whether this run has to look again at what the recorded one took for right: this run compares contents and that one did
 * not, or it asks for other modes or metadata.
 */
export function isCloserLook(recorded: Recorded | undefined, wishes: Wishes): boolean {
  if (recorded === undefined) return false;
  const { checksum = false, modes, metadata } = recorded.asked ?? {};
  if (wishes.checksum === true && !checksum) return true;
  return modes !== modesWord(wishes) || metadata !== metadataWord(wishes);
}
