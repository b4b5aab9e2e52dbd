/** Copies one object with its digest, and reads it back. */
import { createHash } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import { bytesOfObject, digestOfBody } from '../objects/object-body.ts';
import type { ObjectBody, ObjectHead, ObjectStore } from '../objects/object-store.ts';

/** Smaller objects are read once, into memory; larger ones once for their digest and once for each put. */
const IN_MEMORY_BYTES = 16 * 1024 * 1024;
const TRIES = 2;

/** Copies it. @throws CairnError `verify-failed` where the target gives other bytes back, twice; storage codes */
export async function copyObject(
  from: ObjectStore,
  to: ObjectStore,
  { key, sizeBytes }: Pick<ObjectHead, 'key' | 'sizeBytes'>,
): Promise<void> {
  const body = await bodyOf(from, key, sizeBytes);
  const sha256 = await digestOfBody(body, { sha256: undefined, maxBytes: Number.MAX_SAFE_INTEGER });
  for (let tries = 1; tries <= TRIES; tries += 1) {
    await to.put(key, body, { sha256 });
    if ((await digestAt(to, key)) === sha256) return;
  }
  const message = `the target gives other bytes of the object "${key}" back than were put into it, twice; its disk or service is broken`;
  throw new CairnError('verify-failed', message, { details: { key } });
}

/** Whether both stores have the same bytes under a key. @throws CairnError storage codes */
export async function hasSameBytes(
  from: ObjectStore,
  to: ObjectStore,
  { key }: Pick<ObjectHead, 'key'>,
): Promise<boolean> {
  const [ours, theirs] = await Promise.all([digestAt(from, key), digestAt(to, key)]);
  return ours !== undefined && ours === theirs;
}

async function bodyOf(from: ObjectStore, key: string, sizeBytes: number): Promise<ObjectBody> {
  if (sizeBytes > IN_MEMORY_BYTES) {
    return {
      sizeBytes,
      open: async function* () {
        yield* (await openAt(from, key)).bytes;
      },
    };
  }
  return bytesOfObject(await openAt(from, key));
}

async function openAt(
  from: ObjectStore,
  key: string,
): Promise<{ readonly bytes: AsyncIterable<Uint8Array> }> {
  const found = await from.get(key);
  if (found !== undefined && found !== 'unchanged') return found;
  const message = `the object "${key}" of the source went while it was copied: another process changes it`;
  throw new CairnError('source-changed', message, { details: { key } });
}

async function digestAt(store: ObjectStore, key: string): Promise<string | undefined> {
  const found = await store.get(key);
  if (found === undefined || found === 'unchanged') return undefined;
  const hash = createHash('sha256');
  for await (const piece of found.bytes) hash.update(piece);
  return hash.digest('hex');
}
