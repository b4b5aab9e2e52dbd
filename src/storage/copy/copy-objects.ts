/**
 * Copies all objects of a store into another one, key by key: files, sessions, tokens and everything else as it is. It goes on
 * where an earlier run was killed: content that is there is not copied again.
 */
import { sideBySide } from '../../base/side-by-side.ts';
import { CONTENT } from '../object-content/collect-objects.ts';
import type { ObjectHead, ObjectStore } from '../objects/object-store.ts';
import { copyObject, hasSameBytes } from './copy-object.ts';
import type { CopyReport } from './copy-report.ts';

/** Leases, nodes and marks, which belong to one store. */
const OF_THE_STORE = 'l/';
const OBJECTS_AT_A_TIME = 16;
/** So much is copied before it is noted that everything so far has been read back. */
const NOTED = { objects: 500, bytes: 1024 ** 3 };
const REMOVE_BATCH = 500;

/** Options of {@link copyObjects}. */
export interface CopyObjectsOptions {
  /** Objects that were put before this time of the target's clock have been read back by an earlier run. */
  readonly verifiedUntilMs: number;
  /** Called with such times. */
  readonly onVerified: (untilMs: number) => Promise<void>;
  readonly report: CopyReport;
  readonly signal: AbortSignal;
}

/**
 * Makes the objects of `to` the same as those of `from`, which nobody changes meanwhile.
 *
 * @throws CairnError `verify-failed` where the target gives other bytes back; storage codes; the reason of the signal
 */
export async function copyObjects(
  from: ObjectStore,
  to: ObjectStore,
  options: CopyObjectsOptions,
): Promise<void> {
  const { report, signal } = options;
  await verifyRest(from, to, options);
  let begun = await noteVerified(to, options);
  const noteIfMuch = async (): Promise<void> => {
    if (begun.objects >= NOTED.objects || begun.bytes >= NOTED.bytes) begun = await noteVerified(to, options);
  };
  const extras: string[] = [];
  for await (const pairs of batches(joined(from, to))) {
    signal.throwIfAborted();
    await sideBySide(pairs, OBJECTS_AT_A_TIME, async ({ ours, theirs }) => {
      if (ours === undefined) extras.push(theirs!.key);
      else if (await isThere(from, to, { ours, theirs })) report.wasThere(ours.sizeBytes);
      else {
        await copyObject(from, to, ours);
        report.copied(ours.sizeBytes);
        begun.objects += 1;
        begun.bytes += ours.sizeBytes;
      }
    });
    report.entries(pairs.length);
    await noteIfMuch();
  }
  await noteVerified(to, options);
  for (let at = 0; at < extras.length; at += REMOVE_BATCH) {
    signal.throwIfAborted();
    await to.remove(extras.slice(at, at + REMOVE_BATCH));
  }
}

/** Everything that was put before now has been read back. */
async function noteVerified(
  to: ObjectStore,
  { onVerified }: CopyObjectsOptions,
): Promise<{ objects: number; bytes: number }> {
  await onVerified(await to.now());
  return { objects: 0, bytes: 0 };
}

/** Reads back what a run that was killed had put last. */
async function verifyRest(
  from: ObjectStore,
  to: ObjectStore,
  { verifiedUntilMs, signal }: CopyObjectsOptions,
): Promise<void> {
  await sideBySide(to.list(CONTENT), OBJECTS_AT_A_TIME, async (head) => {
    signal.throwIfAborted();
    if (head.modifiedAtMs < verifiedUntilMs) return;
    // An object that the source has no more is removed later.
    if (!(await hasSameBytes(from, to, head))) await to.remove([head.key]);
  });
}

/** An object of the source, and that of the target under the same key. */
interface Pair {
  readonly ours: ObjectHead | undefined;
  readonly theirs: ObjectHead | undefined;
}

/** Content of the right size is right: what a killed run had put was read back before. */
async function isThere(from: ObjectStore, to: ObjectStore, { ours, theirs }: Pair): Promise<boolean> {
  if (ours === undefined || theirs?.sizeBytes !== ours.sizeBytes) return false;
  return ours.key.startsWith(CONTENT) || hasSameBytes(from, to, ours);
}

/** Whether a store has nothing but what belongs to it alone. @throws CairnError storage codes */
export async function isEmptyStore(store: ObjectStore): Promise<boolean> {
  for await (const _ of copied(store)) return false;
  return true;
}

/** All keys of both, in order. */
async function* joined(from: ObjectStore, to: ObjectStore): AsyncGenerator<Pair> {
  const theirs = copied(to);
  let next = await theirs.next();
  for await (const ours of copied(from)) {
    while (next.done !== true && next.value.key < ours.key) {
      yield { ours: undefined, theirs: next.value };
      next = await theirs.next();
    }
    const isSame = next.done !== true && next.value.key === ours.key;
    yield { ours, theirs: isSame ? (next.value as ObjectHead) : undefined };
    if (isSame) next = await theirs.next();
  }
  while (next.done !== true) {
    yield { ours: undefined, theirs: next.value };
    next = await theirs.next();
  }
}

async function* copied(store: ObjectStore): AsyncGenerator<ObjectHead> {
  for await (const head of store.list('')) if (!head.key.startsWith(OF_THE_STORE)) yield head;
}

async function* batches(pairs: AsyncIterable<Pair>): AsyncGenerator<Pair[]> {
  let batch: Pair[] = [];
  for await (const pair of pairs) {
    batch.push(pair);
    if (batch.length < 10 * OBJECTS_AT_A_TIME) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
