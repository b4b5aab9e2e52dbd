/** The first record of a session: the wish of its client, within the limits of the server and the store. */
import { chunkSizeFor, UNKNOWN_TREE_CHUNK_SIZE_BYTES } from '../../../manifest/chunk-size.ts';
import { CHUNK_SIZE_RANGE } from '../../../manifest/manifest.ts';
import type { PassRecord } from '../../../session/pass-record.ts';
import { leaseEnd, type SessionRecord } from '../../../session/record.ts';
import { stricterSync, type SyncMode } from '../../../session/sync-mode.ts';
import type { EstablishRequest } from '../../../wire/messages.ts';
import type { MetadataPolicy } from '../metadata-policy.ts';
import { encodingsOf } from './session-terms.ts';
import type { SessionTimes } from './session-times.ts';
import type { SessionWish } from './session-wish.ts';
import type { TargetLook } from './target-look.ts';

/** Smallest and largest, in bytes. */
interface SizeRange {
  readonly min: number;
  readonly max: number;
}

/** The terms of new sessions of one server. */
export interface NewRecordTerms {
  /** Chunk sizes that the server agrees to, and those of its store. */
  readonly chunkSizes: readonly SizeRange[];
  readonly parallelPerSession: number;
  /** The loosest mode of sync points. */
  readonly sync: SyncMode;
  readonly instanceId: string;
  readonly times: Pick<SessionTimes, 'now' | 'leaseMs' | 'maxAgeMs'>;
  readonly metadata: Pick<MetadataPolicy, 'agree'>;
}

/** Makes a record from a wish. */
export type NewRecord = (
  wish: SessionWish,
  look: TargetLook,
  agreed: Pick<SessionRecord, 'id' | 'credentialHash'> & Pick<PassRecord, 'digest'>,
) => SessionRecord;

/** Makes the function that makes the first records of one server. */
export function createNewRecord({
  chunkSizes,
  parallelPerSession,
  sync,
  instanceId,
  times,
  metadata,
}: NewRecordTerms): NewRecord {
  const min = Math.max(CHUNK_SIZE_RANGE.min, ...chunkSizes.map((range) => range.min));
  const max = Math.min(CHUNK_SIZE_RANGE.max, ...chunkSizes.map((range) => range.max));
  return ({ authorization, address, target, request }, { there, keepsTarget }, { digest, ...agreed }) => {
    const now = times.now();
    const { direction, preserveModes, metadata: wished = [] } = request;
    const kinds = metadata.agree(direction, wished, authorization);
    return {
      ...agreed,
      version: 1,
      principal: authorization.principal,
      authorization,
      target,
      parallel: Math.min(request.parallel, parallelPerSession),
      ...encodingsOf(request.encodings),
      state: 'establishing',
      epoch: 1,
      holder: instanceId,
      createdAtMs: now,
      leaseExpiresAtMs: leaseEnd({ createdAtMs: now }, now, times),
      history: [{ atMs: now, what: 'established', epoch: 1, by: authorization.id, from: address }],
      pass: {
        direction,
        manifestId: null,
        digest,
        chunkSizeBytes: Math.max(min, Math.min(max, wishedChunkSize(request, there))),
        ...(direction === 'push'
          ? { sync: stricterSync(request.sync, sync), preserveModes, keepsTarget }
          : {}),
        ...(kinds.length === 0 ? {} : { metadata: kinds }),
        commit: null,
      },
    };
  };
}

function wishedChunkSize(
  { chunkSizeBytes, isLargestChunkSize = false, wishedChunks }: EstablishRequest,
  { fileBytes }: TargetLook['there'],
): number {
  if (!isLargestChunkSize) return chunkSizeBytes;
  const suitable =
    fileBytes === undefined ? UNKNOWN_TREE_CHUNK_SIZE_BYTES : chunkSizeFor(fileBytes, wishedChunks);
  return Math.min(chunkSizeBytes, suitable);
}
