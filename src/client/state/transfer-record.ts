/** What a client keeps of an unfinished transfer between two runs: the JSON record, validated, with its key. */
import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { DIGEST_ALGORITHMS } from '../../manifest/digest.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { Plan, SessionTerms } from '../../wire/messages.ts';
import { Asked, askedOf, type Wishes } from './asked.ts';

/** Version of the record's form. */
export const RECORD_VERSION = 2;
/** The version of one without parts, which an older cairn can go on with, too. */
const WITHOUT_PARTS = 1;

const bytes = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** How many entries a transfer leaves out from its beginning. */
const LeftOut = v.object({
  /** Those that the sender could not even list. */
  unlisted: bytes,
  /** Those that the selection leaves out, a directory once. */
  unselected: bytes,
});

/** The record of one transfer. */
export const TransferRecord = v.object({
  version: v.picklist([WITHOUT_PARTS, RECORD_VERSION]),
  direction: v.picklist(['push', 'pull']),
  /** The URL as the user gave it. */
  url: v.string(),
  /** Absolute local paths: the sources of a push, the destination of a pull. */
  local: v.array(v.string()),
  resumeCommand: v.array(v.string()),
  /** What was asked for; older records do not tell. */
  asked: v.optional(Asked),
  createdAt: v.string(),
  updatedAt: v.string(),
  /** How long runs have worked on it until `updatedAt`, in milliseconds. Older records do not tell. */
  durationMs: v.optional(bytes),
  session: SessionTerms,
  /** When `session` came from the server; what it says of times is counted from then. Older records do not tell. */
  grantedAt: v.optional(v.string()),
  manifestId: v.string(),
  chunkSizeBytes: bytes,
  digest: v.picklist(DIGEST_ALGORITHMS),
  plan: Plan,
  bytesTotal: bytes,
  bytesSkipped: bytes,
  /** Durable bytes of a pull, as far as they were written down; a push keeps them in its journal. */
  bytesDone: bytes,
  /** Older records do not tell. */
  leftOut: v.optional(LeftOut),
  /** How many entries of a pull could not be read, or not whole; a push keeps them in its journal. */
  excluded: v.optional(bytes),
  /** Where a pull lands: a local directory and a safe path in it. Null in a push. */
  landing: v.nullable(v.object({ root: v.string(), target: v.string(), isNew: v.optional(v.boolean()) })),
  /** Id of the staging area of a pull. Missing in older records, for which the path of the state home tells it. */
  stagingId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
  /** Of a push: the files with rules in its sources, as its scan read them. Older records do not tell. */
  ruleFiles: v.optional(v.object({ paths: v.array(v.string()), digest: v.string() })),
  /** `agreed`: both sides agreed on the digest of a pull, and only publishing is left. */
  phase: v.picklist(['transferring', 'agreed']),
  agreed: v.nullable(
    v.object({
      digest: v.string(),
      excluded: v.array(bytes),
      /** Id of the list of what is deleted with it. */
      deletions: v.optional(v.string()),
    }),
  ),
});
/** {@link TransferRecord} as a type. */
export type TransferRecord = v.InferOutput<typeof TransferRecord>;

/** What a new record is made of. */
export interface NewRecord {
  readonly direction: 'push' | 'pull';
  readonly options: Wishes & { readonly url: URL; readonly resumeCommand: readonly string[] };
  readonly local: readonly string[];
  readonly session: SessionTerms;
  readonly manifest: Manifest;
  readonly plan: Plan;
  readonly bytesTotal: number;
  readonly bytesSkipped: number;
  readonly landing: TransferRecord['landing'];
  readonly leftOut: NonNullable<TransferRecord['leftOut']>;
  readonly excluded?: TransferRecord['excluded'];
  readonly ruleFiles?: TransferRecord['ruleFiles'];
}

/** The record of a transfer that begins now. */
export function newRecord({
  options,
  local,
  session,
  manifest,
  plan: { have, attributes, parts },
  ...rest
}: NewRecord): Omit<TransferRecord, 'updatedAt' | 'durationMs' | 'grantedAt' | 'stagingId'> {
  const { id: manifestId, chunkSizeBytes, digest } = manifest;
  return {
    ...rest,
    version: parts === undefined ? WITHOUT_PARTS : RECORD_VERSION,
    plan: { have, attributes, ...(parts === undefined ? {} : { parts }) },
    url: options.url.href,
    local: [...local],
    resumeCommand: [...options.resumeCommand],
    asked: askedOf(options),
    createdAt: new Date().toISOString(),
    session,
    manifestId,
    chunkSizeBytes,
    digest,
    bytesDone: 0,
    phase: 'transferring',
    agreed: null,
  };
}

/** What tells one transfer from another on this machine. */
export interface TransferIdentity {
  readonly direction: 'push' | 'pull';
  readonly url: URL;
  /** Absolute local paths. */
  readonly local: readonly string[];
}

/** The key of a transfer: 32 hex digits, the same for the same command. */
export function transferKey({ direction, url, local }: TransferIdentity): string {
  const text = [direction, url.href, ...local].join('\0');
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/**
 * Reads a record. Undefined for text that is none: it is damaged, and the transfer starts over.
 *
 * @throws CairnError `journal-version` when a newer cairn wrote it
 */
export function parseRecord(text: string): TransferRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // told by the caller, who knows whose record it is
  }
  const version =
    typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
  if (typeof version === 'number' && version > RECORD_VERSION) {
    throw new CairnError(
      'journal-version',
      `a newer cairn began this transfer (record version ${version}); use that one, or remove the transfer`,
      {
        details: { version },
      },
    );
  }
  const result = v.safeParse(TransferRecord, value, { abortEarly: true });
  return result.success ? result.output : undefined;
}
