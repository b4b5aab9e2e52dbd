/** One chunk of a transfer as an object, which never changes: its key has its number and its digest. */
import { CairnError } from '../../base/errors.ts';
import type { GetOptions, ObjectHead, ObjectStore } from '../objects/object-store.ts';

/** A chunk that is staged. */
export interface StagedChunk {
  readonly key: string;
  readonly digest: Uint8Array;
  readonly sizeBytes: number;
}

/** The key of a chunk below the prefix of its transfer. */
export function chunkKey(prefix: string, chunk: number, digest: Uint8Array): string {
  return `${prefix}${chunk}-${Buffer.from(digest).toString('hex')}`;
}

/** The chunk in an object. */
export function stagedChunk({ key, sizeBytes }: Pick<ObjectHead, 'key' | 'sizeBytes'>): StagedChunk {
  return { key, sizeBytes, digest: Buffer.from(key.slice(key.lastIndexOf('-') + 1), 'hex') };
}

/**
 * The chunks that are staged under a prefix. Of two with one number it takes the one in `known`, else the later one.
 *
 * @throws CairnError storage codes
 */
export async function listChunks(
  objects: ObjectStore,
  prefix: string,
  known: ReadonlyMap<number, StagedChunk> = new Map(),
): Promise<Map<number, StagedChunk>> {
  const heads = new Map<number, ObjectHead>();
  for await (const head of objects.list(prefix)) {
    const chunk = Number(head.key.slice(prefix.length).split('-')[0]);
    const isKnown = (each: ObjectHead | undefined): boolean =>
      each !== undefined && each.key === known.get(chunk)?.key;
    const other = heads.get(chunk);
    const isLater = (other?.modifiedAtMs ?? -Infinity) <= head.modifiedAtMs;
    if (isKnown(head) || (isLater && !isKnown(other))) heads.set(chunk, head);
  }
  return new Map(Array.from(heads, ([chunk, head]) => [chunk, stagedChunk(head)]));
}

/** Bytes of a staged chunk. @throws CairnError `chunks-missing` where it is missing */
export async function* readStaged(
  objects: ObjectStore,
  staged: StagedChunk | undefined,
  chunk: number,
  range: GetOptions,
): AsyncGenerator<Uint8Array> {
  const found = staged === undefined ? undefined : await objects.get(staged.key, range);
  if (found === undefined || found === 'unchanged') {
    throw new CairnError('chunks-missing', `chunk ${chunk} is not staged`, { details: { runs: [chunk, 1] } });
  }
  yield* found.bytes;
}
