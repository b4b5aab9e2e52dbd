/**
 * The chunks of a pull as they go out: the identities of its source, the entries that are lost, and the digests of
 * sent chunks. Where only device, inode or ctime of an entry have changed, its chunks that were sent before are
 * hashed again at the commit, see decision 061.
 */
import { CairnError } from '../../../base/errors.ts';
import { joinPath } from '../../../base/safe-path.ts';
import { ChunkDigests } from '../../../checkpoint/chunk-digests.ts';
import type { ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import { carriedPieces } from '../../../manifest/assembly.ts';
import { sameDigest, type HasherFactory } from '../../../manifest/digest.ts';
import type { Identity } from '../../../manifest/entry.ts';
import type { Segment } from '../../../manifest/layout.ts';
import type { StringList } from '../../../manifest/string-table.ts';
import { sendChunk } from '../../../transfer/chunk-transfer.ts';
import type { ReadNow } from '../../../transfer/segment-batch.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { sourceCodeOf, zeros, type SourceCode } from '../../../transfer/excluded-entries.ts';
import { changeOf, lookUpInTurn, lookUpSources, type FoundSource } from '../../../transfer/source-lookup.ts';
import { SourceVersions } from '../../../transfer/source-versions.ts';
import type { TransferPlan } from './transfer-plan.ts';

/** The parts for reading outgoing chunks. */
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
  /** Digests of the chunks as they were sent. */
  readonly digests: ChunkDigests;
  /** Entries that the client knows to be left out: their bytes are zeros from then on. */
  readonly excluded = new Set<number>();
  /** Whether `digests` has changed since it was saved. */
  dirty = false;
  savedAtMs = 0;
  syncs = 0;
  readonly #content: ContentStore;
  readonly #target: string;
  readonly #versions: SourceVersions;
  /** Digests of chunks that were sent before an entry of theirs was touched: the next read has to give the same. */
  readonly #toProve = new Map<number, Uint8Array>();
  /** Chunks whose digest has zeros in place of an entry: it holds only for a client that knows that entry. */
  readonly #withZeros = new Set<number>();
  /** Entries that failed in the middle of an answer, which could not say so any more. */
  readonly #unreported = new Map<number, SourceCode>();

  constructor(options: OutgoingOptions) {
    this.plan = options.plan;
    this.createHasher = options.createHasher;
    this.digests = options.digests;
    this.#content = options.content;
    this.#target = options.target;
    this.#versions = new SourceVersions(options.identities, (entry) => this.#touched(entry));
  }

  /**
   * The bytes of a chunk from `offset`, then its digest. Entries in {@link excluded} or `alsoExcluded` are zeros.
   * Keeps the error of a failed source, and throws it.
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
    /** The entries that were read, each with the number of its last touch. */
    const read = new Map<number, number>();
    const readSegment = (segment: Segment): AsyncIterable<Uint8Array> =>
      isZeros(segment.entryIndex) ? zeros(segment.lengthBytes) : this.#readSegment(segment, read);
    const readNow: ReadNow = (segment, into) =>
      !isZeros(segment.entryIndex) && this.#readSegmentNow(segment, read, into);
    const { offset } = options;
    const { createHasher } = this;
    const onDigest = (digest: Uint8Array): void => {
      for (const [entry, touch] of read)
        if (this.#versions.lastTouchOf(entry) !== touch) throw touchedError();
      options.onDigest(digest);
    };
    return sendChunk(this.plan.layout.segmentsOf(chunk), readSegment, {
      createHasher,
      offset,
      readNow: this.#content.readNow === undefined ? undefined : readNow,
      onDigest,
    });
  }

  /** Reads a small segment at once; false where that is not possible, or a failure is to be told. */
  #readSegmentNow(
    { entryIndex, entryOffset, lengthBytes }: Segment,
    read: Map<number, number>,
    into: Uint8Array,
  ): boolean {
    const identity = this.#versions.of(entryIndex);
    if (identity === undefined || this.plan.parts?.assemblies.has(entryIndex) === true) return false;
    read.set(entryIndex, this.#versions.lastTouchOf(entryIndex));
    const range = { from: entryOffset, to: entryOffset + lengthBytes };
    return this.#content.readNow?.(this.#pathOf(entryIndex), range, identity, into) === true;
  }

  async *#readSegment(segment: Segment, read: Map<number, number>): AsyncGenerator<Uint8Array> {
    const { entryIndex, entryOffset, lengthBytes } = segment;
    const range = { from: entryOffset, to: entryOffset + lengthBytes };
    const assembly = this.plan.parts?.assemblies.get(entryIndex);
    for (;;) {
      const identity = this.#versions.of(entryIndex);
      read.set(entryIndex, this.#versions.lastTouchOf(entryIndex));
      let bytes = 0;
      try {
        for (const { from, to } of assembly === undefined
          ? [range]
          : carriedPieces(assembly.carried, range)) {
          for await (const piece of this.#content.read(this.#pathOf(entryIndex), { from, to }, identity)) {
            bytes += piece.byteLength;
            yield piece;
          }
        }
        if (bytes === lengthBytes) return;
        throw new CairnError('source-changed', 'the source has fewer bytes than before');
      } catch (error) {
        const code = sourceCodeOf(error);
        if (code === undefined) throw error;
        if (code !== 'source-changed' || !(await this.#isTouched(entryIndex, identity))) {
          this.#unreported.set(entryIndex, code);
          throw this.failureOf(code, [entryIndex], error);
        }
        if (bytes > 0) throw touchedError(error);
      }
    }
  }

  /** Whether an entry may still have its bytes under another identity, which the next read then expects. */
  async #isTouched(entryIndex: number, expected: Identity | undefined): Promise<boolean> {
    const [found] = await lookUpSources(this.#content, [this.#pathOf(entryIndex)]);
    return this.#versions.accept(entryIndex, found, expected);
  }

  #touched(entryIndex: number): void {
    for (const chunk of this.#chunksOf(entryIndex)) {
      const digest = this.digests.get(chunk);
      if (digest === undefined) continue;
      if (!this.#withZeros.has(chunk)) this.#toProve.set(chunk, digest);
      this.digests.delete(chunk);
      this.dirty = true;
    }
  }

  /**
   * Keeps the digest of a chunk that was sent.
   *
   * @throws CairnError `source-changed` where it was sent before with other bytes, of entries that were touched since
   */
  sent(chunk: number, digest: Uint8Array): void {
    const before = this.#toProve.get(chunk);
    if (before !== undefined && !sameDigest(before, digest)) {
      const changed = this.#entriesOf(chunk).filter((entry) => this.#versions.lastTouchOf(entry) > 0);
      for (const entry of changed) this.#unreported.set(entry, 'source-changed');
      throw this.failureOf('source-changed', changed);
    }
    this.#toProve.delete(chunk);
    this.digests.set(chunk, digest);
    this.dirty = true;
    const isWhole = (entryIndex: number): boolean => !this.excluded.has(entryIndex);
    if (this.excluded.size > 0 && !this.plan.layout.carriesOnly(chunk, isWhole)) this.#withZeros.add(chunk);
    else this.#withZeros.delete(chunk);
  }

  /** The digests that are true without a record of the entries that were left out. */
  lastingDigests(): ChunkDigests {
    const lasting = new ChunkDigests(this.digests.digestLengthBytes);
    for (const chunk of this.digests.chunks.values()) {
      if (!this.#withZeros.has(chunk)) lasting.set(chunk, this.digests.get(chunk)!);
    }
    return lasting;
  }

  /**
   * Entries that went out as zeros and that the claim does not leave out: the client may have lost the answer that
   * named them, or died before it wrote them down.
   */
  unreported(excluded: ReadonlyChunkSet): number[] {
    return [...this.excluded].filter((index) => !excluded.has(index));
  }

  /** Entries of a chunk that are no longer as they were scanned, and the code of the first one. */
  async findFailures(chunk: number): Promise<{ code: SourceCode; entries: number[] } | undefined> {
    const wanted = this.#entriesOf(chunk).filter((index) => !this.excluded.has(index));
    const failures = new Map<number, SourceCode>();
    const lookUp = (batch: readonly number[]): Promise<FoundSource[]> =>
      lookUpSources(
        this.#content,
        batch.map((index) => this.#pathOf(index)),
      );
    for await (const [index, found] of lookUpInTurn(wanted, lookUp)) {
      const code = this.#unreported.get(index) ?? this.#failureIn(found, index);
      if (code !== undefined) failures.set(index, code);
    }
    const first = failures.values().next().value;
    return first === undefined ? undefined : { code: first, entries: [...failures.keys()] };
  }

  #failureIn(found: FoundSource, entryIndex: number): SourceCode | undefined {
    const expected = this.#versions.of(entryIndex);
    const code = changeOf(found, expected);
    return code === 'source-changed' && this.#versions.accept(entryIndex, found, expected) ? undefined : code;
  }

  /** The client knows of these entries, or learns of them now: from here on they are zeros. */
  exclude(entries: Iterable<number>): void {
    for (const index of entries) {
      if (this.excluded.has(index)) continue;
      this.excluded.add(index);
      this.#unreported.delete(index);
      // It is sent again, with zeros.
      for (const chunk of this.#chunksOf(index)) this.#toProve.delete(chunk);
    }
  }

  /** The error that tells the client which entries are no longer as they were scanned. */
  failureOf(code: SourceCode, entries: readonly number[], cause?: unknown): CairnError {
    const first = this.plan.manifest.entries.at(entries[0] ?? 0)?.path ?? '';
    const message = `${MESSAGES[code]}: ${JSON.stringify(first)}${entries.length > 1 ? ` and ${entries.length - 1} more` : ''}`;
    return new CairnError(code, message, { cause, details: { entries } });
  }

  #entriesOf(chunk: number): number[] {
    return Array.from(this.plan.layout.segmentsOf(chunk), ({ entryIndex }) => entryIndex);
  }

  #chunksOf(entryIndex: number): number[] {
    const { first, count } = this.plan.layout.chunksOf(entryIndex);
    return Array.from({ length: count }, (_, index) => first + index);
  }

  #pathOf(entryIndex: number): string {
    return joinPath(this.#target, this.plan.manifest.entries.pathOf(entryIndex));
  }
}

/** Ends a read that may have mixed two versions of one entry; the next read has one version. */
function touchedError(cause?: unknown): CairnError {
  const message = 'a source was touched while it was read; ask for the chunk again';
  return new CairnError('chunk-incomplete', message, { cause });
}

const MESSAGES: Readonly<Record<SourceCode, string>> = {
  'source-changed': 'the source changed since it was listed',
  'source-missing': 'the source is no longer there',
  'source-unreadable': 'the source cannot be read',
};
