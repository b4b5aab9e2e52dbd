/** The chunks of a pull as they go out: what the source was, what of it is lost, and the digests that were sent. */
import { CairnError } from '../../../base/errors.ts';
import { joinPath } from '../../../base/safe-path.ts';
import { ChunkDigests } from '../../../checkpoint/chunk-digests.ts';
import type { ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import type { HasherFactory } from '../../../manifest/digest.ts';
import type { Segment } from '../../../manifest/layout.ts';
import type { StringList } from '../../../manifest/string-table.ts';
import { sendChunk } from '../../../transfer/chunk-transfer.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { sourceCodeOf, zeros, type SourceCode } from '../../../transfer/excluded-entries.ts';
import { changeOf, lookUpSources } from '../../../transfer/source-lookup.ts';
import type { TransferPlan } from './transfer-plan.ts';

const LOOKUPS_AT_A_TIME = 1000;

/** What outgoing chunks are read from. */
export interface OutgoingOptions {
  readonly content: ContentStore;
  /** Safe relative path of the source tree. */
  readonly target: string;
  readonly plan: TransferPlan;
  readonly identities: StringList;
  readonly createHasher: HasherFactory;
  readonly digests: ChunkDigests;
}

/** The source of a pull. */
export class OutgoingChunks {
  readonly plan: TransferPlan;
  readonly createHasher: HasherFactory;
  /** Digests of the chunks that were sent, as they were sent. */
  readonly digests: ChunkDigests;
  /** Entries that were reported to the client: their bytes are zeros from then on. */
  readonly excluded = new Set<number>();
  /** Whether `digests` has changed since it was saved. */
  dirty = false;
  savedAtMs = 0;
  syncs = 0;
  readonly #content: ContentStore;
  readonly #target: string;
  readonly #identities: StringList;
  /** Chunks whose digest is of zeros in place of an entry, which holds for who knows that it is left out. */
  readonly #withZeros = new Set<number>();
  /** Entries that failed in the middle of an answer, which could not say so any more. */
  readonly #unreported = new Map<number, SourceCode>();

  constructor(options: OutgoingOptions) {
    this.plan = options.plan;
    this.createHasher = options.createHasher;
    this.digests = options.digests;
    this.#content = options.content;
    this.#target = options.target;
    this.#identities = options.identities;
  }

  /**
   * The bytes of a chunk from `offset`, then its digest. Entries in {@link excluded} or `alsoExcluded` are zeros.
   * A source that fails is remembered; the error is thrown.
   */
  read(
    chunk: number,
    options: {
      offset: number;
      onDigest: (digest: Uint8Array) => void;
      alsoExcluded?: (entry: number) => boolean;
    },
  ): AsyncGenerator<Uint8Array> {
    const isZeros = (entry: number): boolean =>
      this.excluded.has(entry) || options.alsoExcluded?.(entry) === true;
    const readSegment = (segment: Segment): AsyncIterable<Uint8Array> =>
      isZeros(segment.entryIndex) ? zeros(segment.lengthBytes) : this.#readSegment(segment);
    const { offset, onDigest } = options;
    const { createHasher } = this;
    return sendChunk(this.plan.layout.segmentsOf(chunk), readSegment, { createHasher, offset, onDigest });
  }

  async *#readSegment(segment: Segment): AsyncGenerator<Uint8Array> {
    const range = { from: segment.entryOffset, to: segment.entryOffset + segment.lengthBytes };
    let bytes = 0;
    try {
      const identity = this.#identities.at(segment.entryIndex);
      for await (const piece of this.#content.read(this.#pathOf(segment.entryIndex), range, identity)) {
        bytes += piece.byteLength;
        yield piece;
      }
      if (bytes !== segment.lengthBytes)
        throw new CairnError('source-changed', 'the source has fewer bytes than before');
    } catch (error) {
      const code = sourceCodeOf(error);
      if (code === undefined) throw error;
      this.#unreported.set(segment.entryIndex, code);
      throw this.failureOf(code, [segment.entryIndex], error);
    }
  }

  /** Notes the digest of a chunk as it went out. */
  sent(chunk: number, digest: Uint8Array): void {
    this.digests.set(chunk, digest);
    this.dirty = true;
    const isWhole = (entryIndex: number): boolean => !this.excluded.has(entryIndex);
    if (this.excluded.size > 0 && !this.plan.layout.carriesOnly(chunk, isWhole)) this.#withZeros.add(chunk);
    else this.#withZeros.delete(chunk);
  }

  /** The digests that still hold when nobody remembers which entries were left out. */
  lastingDigests(): ChunkDigests {
    const lasting = new ChunkDigests(this.digests.digestLengthBytes);
    for (const chunk of this.digests.chunks.values()) {
      if (!this.#withZeros.has(chunk)) lasting.set(chunk, this.digests.get(chunk)!);
    }
    return lasting;
  }

  /**
   * Entries in whose place zeros went out, and that a claim about the whole does not leave out: the answer that named
   * them may have been lost, or taken by a client that did not live to write it down.
   */
  untold(excluded: ReadonlyChunkSet): number[] {
    return [...this.excluded].filter((index) => !excluded.has(index));
  }

  /** Entries of a chunk that are known, or now found, not to be what was scanned; with the first one's code. */
  async findFailures(chunk: number): Promise<{ code: SourceCode; entries: number[] } | undefined> {
    const indices = Array.from(this.plan.layout.segmentsOf(chunk), ({ entryIndex }) => entryIndex);
    const wanted = indices.filter((index) => !this.excluded.has(index));
    const failures = new Map<number, SourceCode>();
    for (let at = 0; at < wanted.length; at += LOOKUPS_AT_A_TIME) {
      const batch = wanted.slice(at, at + LOOKUPS_AT_A_TIME);
      const there = await lookUpSources(
        this.#content,
        batch.map((index) => this.#pathOf(index)),
      );
      for (const [position, index] of batch.entries()) {
        const code = this.#unreported.get(index) ?? changeOf(there[position]!, this.#identities.at(index));
        if (code !== undefined) failures.set(index, code);
      }
    }
    const first = failures.values().next().value;
    return first === undefined ? undefined : { code: first, entries: [...failures.keys()] };
  }

  /** The client is told of these entries now: from here on they are excluded. */
  report(entries: readonly number[]): void {
    for (const index of entries) {
      this.excluded.add(index);
      this.#unreported.delete(index);
    }
  }

  /** The error that tells the client of entries that are not what was scanned. */
  failureOf(code: SourceCode, entries: readonly number[], cause?: unknown): CairnError {
    const first = this.plan.manifest.entries.at(entries[0] ?? 0)?.path ?? '';
    const message = `${MESSAGES[code]}: ${JSON.stringify(first)}${entries.length > 1 ? ` and ${entries.length - 1} more` : ''}`;
    return new CairnError(code, message, { cause, details: { entries } });
  }

  #pathOf(entryIndex: number): string {
    return joinPath(this.#target, this.plan.manifest.entries.pathOf(entryIndex));
  }
}

const MESSAGES: Readonly<Record<SourceCode, string>> = {
  'source-changed': 'the source changed since it was listed',
  'source-missing': 'the source is no longer there',
  'source-unreadable': 'the source cannot be read',
};
