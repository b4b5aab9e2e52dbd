/**
 * One chunk of a transfer as an object, which never changes: its key has its number, its digest and a random number, so
 * that no key is used twice. A chunk that is withdrawn has a second object beside it that says so: its bytes stay, since
 * a published file may be made of them.
 */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import type { GetOptions, ObjectHead, ObjectStore } from '../objects/object-store.ts';

/** A chunk that is staged. */
export interface StagedChunk {
  readonly key: string;
  readonly digest: Uint8Array;
  readonly sizeBytes: number;
}

const WITHDRAWN = '.withdrawn';

/** A new key for a chunk, below the prefix of its transfer. */
export function newChunkKey(prefix: string, chunk: number, digest: Uint8Array): string {
  return `${prefix}${chunk}-${Buffer.from(digest).toString('hex')}-${randomBytes(4).toString('hex')}`;
}

/** The chunk in an object. */
export function stagedChunk({ key, sizeBytes }: Pick<ObjectHead, 'key' | 'sizeBytes'>): StagedChunk {
  const [, digest = ''] = key.slice(key.lastIndexOf('/') + 1).split('-');
  return { key, sizeBytes, digest: Buffer.from(digest, 'hex') };
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
  const heads = new Map<number, ObjectHead[]>();
  const withdrawn = new Set<string>();
  for await (const head of objects.list(prefix)) {
    if (head.key.endsWith(WITHDRAWN)) withdrawn.add(head.key.slice(0, -WITHDRAWN.length));
    const chunk = Number(head.key.slice(prefix.length).split('-')[0]);
    heads.set(chunk, [...(heads.get(chunk) ?? []), head]);
  }
  const chosen = new Map<number, StagedChunk>();
  for (const [chunk, all] of heads) {
    const there = all.filter(({ key }) => !key.endsWith(WITHDRAWN) && !withdrawn.has(key));
    const latest = there.toSorted((a, b) => b.modifiedAtMs - a.modifiedAtMs)[0];
    const head = there.find(({ key }) => key === known.get(chunk)?.key) ?? latest;
    if (head !== undefined) chosen.set(chunk, stagedChunk(head));
  }
  return chosen;
}

/** Withdraws all objects of a chunk, durably. @throws CairnError storage codes */
export async function withdrawChunk(objects: ObjectStore, prefix: string, chunk: number): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of objects.list(`${prefix}${chunk}-`)) keys.push(key);
  for (const key of keys) {
    if (!key.endsWith(WITHDRAWN)) await objects.put(key + WITHDRAWN, new Uint8Array());
  }
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
