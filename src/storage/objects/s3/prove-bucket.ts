/**
 * Finds out whether a bucket can hold a store: everything rests on puts under a condition, which many services ignore without a
 * word. So each start lets puts race, of which one has to win, and refuses a bucket where more do.
 */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { bytesOfObject } from '../object-body.ts';
import type { ObjectStore } from '../object-store.ts';

/** The key below which puts race; what is there is of no use to anybody. */
const PROOFS = 'proof/';
const OLD_AFTER_MS = 3_600_000;
const RIVALS = 6;
const FORMAT_KEY = 'format';
const FORMAT_VERSION = 1;
const FORMAT = JSON.stringify({ format: 'cairn-objects', version: FORMAT_VERSION });
const MAX_FORMAT_BYTES = 1000;

/**
 * Proves a bucket, and marks what lies below its prefix as a store of this format.
 *
 * @param store over the prefix of the mark and the proofs, not that of the objects
 * @param shown the bucket, for people
 * @throws CairnError `storage-unsupported` for a service without conditions; `config-invalid` for a bucket that is not there;
 * `journal-version` for the store of a newer cairn; `storage-denied`, `server-busy`
 */
export async function proveBucket(store: ObjectStore, shown: string): Promise<void> {
  const key = PROOFS + randomBytes(12).toString('hex');
  try {
    await prove(store, key, shown);
  } catch (error) {
    throw namedError(error, shown);
  } finally {
    await store.remove([key]).catch(() => undefined); // a later start removes it
  }
  await removeOld(store);
  await markFormat(store, shown);
}

/** Removes what starts that were killed have left. */
async function removeOld(store: ObjectStore): Promise<void> {
  const old: string[] = [];
  const nowMs = await store.now();
  for await (const { key, modifiedAtMs } of store.list(PROOFS))
    if (nowMs - modifiedAtMs > OLD_AFTER_MS) old.push(key);
  await store.remove(old);
}

async function prove(store: ObjectStore, key: string, shown: string): Promise<void> {
  const made = await race(store, key, null);
  if (made === undefined) throw unproven(shown, 'of puts with If-None-Match: * at once', 'none won');
  if (made.winners > 1) throw unproven(shown, 'of puts with If-None-Match: * at once', `${made.winners} won`);
  const replaced = await race(store, key, made.tag);
  if (replaced === undefined) throw unproven(shown, 'of puts with If-Match at once', 'none won');
  if (replaced.winners > 1) throw unproven(shown, 'of puts with If-Match at once', `${replaced.winners} won`);
  const late = await race(store, key, made.tag);
  if (late !== undefined)
    throw unproven(shown, 'of puts with If-Match for an older version', `${late.winners} won`);
  const found = await store.get(key, { to: 0, unless: replaced.tag });
  if (found !== 'unchanged')
    throw unproven(shown, 'of an object that was just put', 'another version is read');
}

interface Race {
  readonly winners: number;
  readonly tag: string;
}

async function race(store: ObjectStore, key: string, ifMatch: string | null): Promise<Race | undefined> {
  const rivals = Array.from({ length: RIVALS }, () => store.put(key, randomBytes(24), { ifMatch }));
  const tags = (await Promise.all(rivals)).filter((tag) => tag !== undefined);
  const [tag] = tags;
  return tag === undefined ? undefined : { winners: tags.length, tag };
}

async function markFormat(store: ObjectStore, shown: string): Promise<void> {
  await store.put(FORMAT_KEY, Buffer.from(FORMAT), { ifMatch: null });
  const found = await store.get(FORMAT_KEY, { to: MAX_FORMAT_BYTES });
  const isThere = found !== undefined && found !== 'unchanged';
  if (isThere && (await bytesOfObject(found)).toString() === FORMAT) return;
  const message = `"${printable(shown)}" holds objects in a format that this cairn does not know; use the cairn that wrote it`;
  throw new CairnError('journal-version', message);
}

function unproven(shown: string, what: string, outcome: string): CairnError {
  return new CairnError(
    'storage-unsupported',
    `the store "${printable(shown)}" has no compare-and-set: ${what} exactly one has to win, and ${outcome}; ` +
      'cairn needs a service that keeps the conditions of PutObject, such as AWS S3, Ceph or MinIO',
  );
}

function namedError(error: unknown, shown: string): unknown {
  if (!(error instanceof CairnError)) return error;
  const { code, message, details } = error;
  if (details['s3Code'] === 'NoSuchBucket') {
    const missing = `the bucket of "${printable(shown)}" does not exist; make it first`;
    return new CairnError('not-found', missing, { cause: error });
  }
  const isRefused = code === 'storage-unsupported' && details['status'] === 501;
  return isRefused
    ? new CairnError(
        code,
        `the store "${printable(shown)}" refuses puts with a condition, which cairn needs: ${message}`,
        { cause: error },
      )
    : error;
}
