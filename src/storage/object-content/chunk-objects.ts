/**
 * The chunks of one transfer as objects, named by number and digest, so that the list of keys is the checkpoint. A chunk
 * is durable, and every node sees it, once it is put; chunks of other nodes show after the next `sync`.
 */
import { CairnError } from '../../base/errors.ts';
import { createMutex } from '../../base/mutex.ts';
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import { DIGEST_LENGTH_BYTES, sameDigest } from '../../manifest/digest.ts';
import { isStream } from '../../manifest/layout.ts';
import type { ChunkWriter } from '../../transfer/chunk-store.ts';
import { offsetMismatch } from '../../transfer/offset-mismatch.ts';
import type { ChunkStaging, IncomingTransfer, PublishOrder } from '../content-store.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { type Committing, isCommitted, publishAtOnce } from './commit-tree.ts';
import {
  listChunks,
  newChunkKey,
  readStaged,
  type StagedChunk,
  stagedChunk,
  withdrawChunk,
} from './staged-chunk.ts';

/** Opens the chunks that are staged below the prefix of a transfer. */
export async function openChunkObjects(
  committing: Committing,
  prefix: string,
  transfer: IncomingTransfer,
): Promise<ChunkStaging> {
  const chunks = new ChunkObjects(committing, prefix, transfer);
  await chunks.sync();
  return chunks;
}

class ChunkObjects implements ChunkStaging {
  readonly digests: ChunkDigests;
  readonly #objects: ObjectStore;
  readonly #committing: Committing;
  readonly #prefix: string;
  readonly #transfer: IncomingTransfer;
  readonly #writers = new Map<number, symbol>();
  #staged = new Map<number, StagedChunk>();
  /** Keeps `#staged` and `digests` in step: both change in one turn. */
  readonly #inTurn = createMutex();

  constructor(committing: Committing, prefix: string, transfer: IncomingTransfer) {
    this.#objects = committing.tree.objects;
    this.#committing = committing;
    this.#prefix = prefix;
    this.#transfer = transfer;
    this.digests = new ChunkDigests(DIGEST_LENGTH_BYTES[transfer.manifest.digest]);
  }

  partialChunks(): ReadonlyMap<number, number> {
    return new Map();
  }

  async write(chunk: number, offset: number): Promise<ChunkWriter> {
    if (offset !== 0) throw offsetMismatch(chunk, 0);
    const lengthBytes = this.#transfer.layout.chunkLengthBytes(chunk);
    const token = Symbol(`writer of chunk ${chunk}`);
    this.#writers.set(chunk, token);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const check = (): void => {
      if (this.#writers.get(chunk) === token) return;
      const message = `another writer of chunk ${chunk} has taken over`;
      throw new CairnError('chunk-conflict', message, { details: { chunk } });
    };
    const forget = async (): Promise<void> => {
      if (this.#writers.get(chunk) === token) this.#writers.delete(chunk);
      pieces.length = 0;
    };
    return {
      write: async (more) => {
        check();
        for (const piece of more) bytes += piece.byteLength;
        if (bytes > lengthBytes) {
          throw new CairnError('internal', `chunk ${chunk} got ${bytes} bytes, more than ${lengthBytes}`);
        }
        pieces.push(...more.map((piece) => Uint8Array.from(piece)));
      },
      finish: async (digest) => {
        check();
        await this.#inTurn(() => this.#put(chunk, pieces, digest));
        await forget();
      },
      hold: forget,
      drop: forget,
    };
  }

  async *read(chunk: number): AsyncGenerator<Uint8Array> {
    yield* readStaged(this.#objects, this.#staged.get(chunk), chunk, {});
  }

  sync(): Promise<void> {
    return this.#inTurn(async () => {
      this.#staged = await listChunks(this.#objects, this.#prefix);
      for (const [chunk, { digest }] of this.#staged) this.digests.set(chunk, digest);
      for (const chunk of this.digests.chunks.copy().values()) {
        if (!this.#staged.has(chunk)) this.digests.delete(chunk);
      }
    });
  }

  /** Nothing to do: the store guarantees the bytes that it has taken. */
  async verify(): Promise<number[]> {
    return [];
  }

  forget(chunks: readonly number[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const chunk of chunks) {
        await withdrawChunk(this.#objects, this.#prefix, chunk);
        this.#staged.delete(chunk);
        this.digests.delete(chunk);
      }
    });
  }

  /** Publishes the chunks of the last sync, which were compared: another node may have put other bytes of one since. */
  async publish(order: PublishOrder): Promise<void> {
    const staged = await listChunks(this.#objects, this.#prefix, this.#staged);
    await publishAtOnce(this.#committing, this.#transfer, order, staged);
  }

  isPublished(): Promise<boolean> {
    return isCommitted(this.#committing);
  }

  async close(): Promise<void> {
    this.#writers.clear();
  }

  async #put(chunk: number, pieces: readonly Uint8Array[], digest: Uint8Array): Promise<void> {
    const { manifest, layout } = this.#transfer;
    const lengthBytes = layout.chunkLengthBytes(chunk);
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    if (isStream(manifest) ? sizeBytes === 0 : sizeBytes !== lengthBytes) {
      throw new CairnError('chunk-incomplete', `chunk ${chunk} has ${sizeBytes} of ${lengthBytes} bytes`);
    }
    const there = this.#staged.get(chunk);
    if (there === undefined || !sameDigest(there.digest, digest)) {
      // Other objects of this chunk stay: two nodes that removed each other's would leave none.
      const key = newChunkKey(this.#prefix, chunk, digest);
      const open = async function* (): AsyncGenerator<Uint8Array> {
        yield* pieces;
      };
      await this.#objects.put(key, { sizeBytes, open });
      this.#staged.set(chunk, stagedChunk({ key, sizeBytes }));
    }
    this.digests.set(chunk, digest);
  }
}
