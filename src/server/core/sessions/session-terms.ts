/** The terms of a session as its client gets them: the values that both sides have agreed on. */
import { CairnError } from '../../../base/errors.ts';
import type { SessionTerms } from '../../../wire/messages.ts';
import { agreedEncodings, type ChunkEncoding } from '../../../session/encoding.ts';
import { mayDelete } from '../../../session/authorization.ts';
import { bringsBytes, syncOf, type PassRecord } from '../../../session/pass-record.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { existingOf, mayCompare } from '../../../session/scopes.ts';
import { OWN_ENCODINGS } from '../../../transfer/zlib-pump.ts';
import type { SessionTimes } from './session-times.ts';
import { takesParts } from './taking-parts.ts';

/** The parts of the terms of every session of one server. */
export interface TermsOptions {
  readonly times: Pick<SessionTimes, 'now' | 'leaseMs' | 'maxAgeMs'>;
  /** Milliseconds since 1970 by the wall clock, by which tokens end. */
  readonly wallNow: () => number;
  /** Whether the store keeps the bytes of chunks that were cut half-way. */
  readonly holdsPartialChunks: boolean;
  /** Whether it assembles files from parts and from the files that they replace. */
  readonly assembles: boolean;
  /** Whether it keeps the blocks that clients tell it. */
  readonly keepsBlocks: boolean;
}

/** The terms of a session, with the secret that proves the client's later requests. */
export type TermsOf = (record: SessionRecord, credential: string, resumed: boolean) => SessionTerms;

/** Makes the function that states the terms of one server's sessions. */
export function createTermsOf(options: TermsOptions): TermsOf {
  return (record, credential, resumed) => termsOf(options, record, { credential, resumed });
}

function termsOf(
  { times, wallNow, holdsPartialChunks, assembles, keepsBlocks }: TermsOptions,
  record: SessionRecord,
  { credential, resumed }: { readonly credential: string; readonly resumed: boolean },
): SessionTerms {
  const { state, pass } = record;
  const sync = syncOf(pass);
  if (state === 'suspended' || state === 'aborted' || state === 'expired') {
    throw new CairnError('internal', `a session that is ${state} was given to a client`);
  }
  return {
    session: record.id,
    credential,
    epoch: record.epoch,
    state,
    direction: pass.direction,
    digest: pass.digest,
    chunkSizeBytes: pass.chunkSizeBytes,
    parallel: record.parallel,
    leaseMs: times.leaseMs,
    endsInMs: Math.max(1, record.createdAtMs + times.maxAgeMs - times.now()),
    ...authorizedFor(record, wallNow()),
    holdsPartialChunks,
    ...(sync !== undefined
      ? {
          sync,
          commitAwaitsChunks: true,
          ...placingOf(record),
          ...preservingOf(pass),
        }
      : {}),
    ...partsOf(takesParts({ assembles }, record), keepsBlocks && bringsBytes(pass)),
    ...(pass.metadata === undefined ? {} : { metadata: [...pass.metadata] }),
    ...encodingsOf(record.encodings),
    manifestId: pass.manifestId,
    resumed,
  };
}

function partsOf(takes: boolean, keeps: boolean): Pick<SessionTerms, 'takesParts' | 'keepsBlocks'> {
  if (!takes) return {};
  return keeps ? { takesParts: true, keepsBlocks: true } : { takesParts: true };
}

function preservingOf({ preserveModes }: PassRecord): Pick<SessionTerms, 'preservesModes'> {
  return preserveModes === true ? { preservesModes: true } : {};
}

/** What a push may know of what is there, and do to it. */
function placingOf({ authorization }: SessionRecord): Pick<SessionTerms, 'existing' | 'isBlind' | 'deletes'> {
  const { scopes = [] } = authorization ?? {};
  const existing = existingOf(scopes);
  return {
    ...(existing === undefined || existing === 'replaced' ? {} : { existing }),
    ...(mayCompare(scopes) ? {} : { isBlind: true }),
    ...(authorization !== undefined && mayDelete(authorization) ? { deletes: true } : {}),
  };
}

/** How long the session is authorized from now on, if that has an end. */
export function authorizedFor({ authorization }: SessionRecord, nowMs: number): { authorizedForMs?: number } {
  const { expiresAtMs } = authorization ?? {};
  return expiresAtMs === undefined ? {} : { authorizedForMs: Math.max(1, Math.round(expiresAtMs - nowMs)) };
}

/** The agreed encodings of an epoch, if there are any. */
export function encodingsOf(offered: readonly string[] | undefined): { encodings?: ChunkEncoding[] } {
  const encodings = agreedEncodings(offered, OWN_ENCODINGS);
  return encodings.length === 0 ? {} : { encodings };
}
