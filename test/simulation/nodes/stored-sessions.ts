/** The records of sessions as they are in the bucket, and whose they are. */
import { parseRecord } from '../../../src/session/record-schema.ts';
import type { SessionRecord } from '../../../src/session/record.ts';
import type { SimulatedBucket } from './bucket.ts';
import { STORE } from './place.ts';

/** See the file. */
export class StoredSessions {
  readonly #bucket: SimulatedBucket;
  /** Which client was granted a session first. */
  readonly #owners = new Map<string, string>();

  constructor(bucket: SimulatedBucket) {
    this.#bucket = bucket;
  }

  /** A client was granted a session. */
  granted(session: string, client: string): void {
    if (!this.#owners.has(session)) this.#owners.set(session, client);
  }

  ownerOf(session: string): string | undefined {
    return this.#owners.get(session);
  }

  /** What the bucket has; undefined where there is none. */
  record(session: string): SessionRecord | undefined {
    const text = this.#bucket.objects.get(`${STORE.prefix}s/${session}`)?.body.toString();
    return text === undefined ? undefined : parseRecord(text.slice(text.indexOf('\n') + 1), session);
  }
}
