/** The staging areas of the in-memory store: documents, and chunks as immutable parts, all of them objects. */
import { formatBytes } from '../../../src/base/byte-text.ts';
import { CairnError } from '../../../src/base/errors.ts';
import { ChunkDigests } from '../../../src/checkpoint/chunk-digests.ts';
import { DIGEST_LENGTH_BYTES, sameDigest } from '../../../src/manifest/digest.ts';
import { isStream } from '../../../src/manifest/layout.ts';
import type {
  ChunkStaging,
  IncomingTransfer,
  PublishOrder,
  StagingArea,
} from '../../../src/storage/content-store.ts';
import type { ChunkWriter } from '../../../src/transfer/chunk-store.ts';
import type { MemoryBackend } from './memory-backend.ts';
import { publishTree } from './memory-publish.ts';

const STAGING_PREFIX = 'staging/';

/** Opens the staging area of a session, or makes it. */
export async function openMemoryStaging(
  backend: MemoryBackend,
  id: string,
  minChunkSizeBytes: number,
): Promise<StagingArea> {
  const prefix = `${STAGING_PREFIX}${id}/`;
  await backend.put(prefix, new Uint8Array());
  return {
    save: async (name, text) => {
      const body = Buffer.concat(Array.from(text, (piece) => Buffer.from(piece)));
      await backend.put(`${prefix}documents/${name}`, body);
    },
    load: async (name) => {
      const found = await backend.get(`${prefix}documents/${name}`);
      return found === undefined ? undefined : once(found.body);
    },
    openChunks: async (transfer) => {
      if (transfer.manifest.chunkSizeBytes < minChunkSizeBytes) throw tooSmall(minChunkSizeBytes);
      // Parts of another manifest are none of this transfer.
      const parts = new MemoryParts(backend, `${prefix}parts/${transfer.manifest.id}/`, transfer);
      await parts.sync();
      return parts;
    },
    discard: async () => {
      for (const { key } of await backend.list(prefix)) await backend.remove(key);
    },
  };
}

/** Ids of all staging areas of a bucket. */
export async function listMemoryStaging(backend: MemoryBackend): Promise<string[]> {
  const ids = new Set<string>();
  for (const { key } of await backend.list(STAGING_PREFIX)) ids.add(key.split('/')[1]!);
  return [...ids];
}

async function* once(body: Buffer): AsyncGenerator<Uint8Array> {
  yield Buffer.from(body);
}

function tooSmall(minChunkSizeBytes: number): CairnError {
  return new CairnError(
    'storage-unsupported',
    `this store takes no chunks below ${formatBytes(minChunkSizeBytes)}; choose a larger --chunk-size`,
    { details: { minChunkSizeBytes } },
  );
}

/**
 * The chunks of one transfer, a part each: all of one size, at least the store's smallest, but for packed ones and the
 * last of an entry. What one process puts, the others see after their next `sync`.
 */
class MemoryParts implements ChunkStaging {
  readonly digests: ChunkDigests;
  readonly #backend: MemoryBackend;
  readonly #prefix: string;
  readonly #transfer: IncomingTransfer;
  readonly #writers = new Map<number, symbol>();
  #lastTurn: Promise<void> = Promise.resolve();

  constructor(backend: MemoryBackend, prefix: string, transfer: IncomingTransfer) {
    this.#backend = backend;
    this.#prefix = prefix;
    this.#transfer = transfer;
    this.digests = new ChunkDigests(DIGEST_LENGTH_BYTES[transfer.manifest.digest]);
  }

  held(): ReadonlyMap<number, number> {
    return new Map();
  }

  async write(chunk: number, offset: number): Promise<ChunkWriter> {
    const lengthBytes = this.#transfer.layout.chunkLengthBytes(chunk);
    if (offset !== 0) {
      throw new CairnError('chunk-offset-mismatch', `chunk ${chunk} starts again at byte 0`, {
        details: { chunk, heldBytes: 0 },
      });
    }
    const token = Symbol(`writer of chunk ${chunk}`);
    this.#writers.set(chunk, token);
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const check = (): void => {
      if (this.#writers.get(chunk) === token) return;
      throw new CairnError('chunk-conflict', `another writer of chunk ${chunk} has taken over`, {
        details: { chunk },
      });
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
        await this.#inTurn(() => this.#put(chunk, Buffer.concat(pieces), digest));
        await forget();
      },
      hold: forget,
      drop: forget,
    };
  }

  async *read(chunk: number): AsyncGenerator<Uint8Array> {
    yield Buffer.from(await this.#part(chunk));
  }

  sync(): Promise<void> {
    return this.#inTurn(async () => {
      const there = new Map<number, string>();
      for (const { key, metadata } of await this.#backend.list(this.#prefix)) {
        there.set(this.#chunkOf(key), metadata['digest'] ?? '');
      }
      for (const [chunk, digest] of there) this.digests.set(chunk, Buffer.from(digest, 'hex'));
      for (const chunk of this.digests.chunks.copy().values()) {
        if (!there.has(chunk)) this.digests.delete(chunk);
      }
    });
  }

  /** The backend answers for what it has taken. */
  async verify(): Promise<number[]> {
    return [];
  }

  forget(chunks: readonly number[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const chunk of chunks) {
        await this.#backend.remove(this.#prefix + chunk);
        this.digests.delete(chunk);
      }
    });
  }

  async publish(order: PublishOrder): Promise<void> {
    await publishTree(this.#backend, this.#transfer, order, {
      sizes: async () => {
        const there = await this.#backend.list(this.#prefix);
        return new Map(there.map(({ key, sizeBytes }) => [this.#chunkOf(key), sizeBytes]));
      },
      read: (chunk) => this.#part(chunk),
    });
  }

  async close(): Promise<void> {
    this.#writers.clear();
  }

  /** What the bucket said and what `digests` says must not be of two moments: one after the other. */
  #inTurn(action: () => Promise<void>): Promise<void> {
    const turn = this.#lastTurn.then(action);
    this.#lastTurn = turn.catch(() => {}); // the caller of that turn is told
    return turn;
  }

  #chunkOf(key: string): number {
    return Number(key.slice(this.#prefix.length));
  }

  async #part(chunk: number): Promise<Buffer> {
    const part = await this.#backend.get(this.#prefix + chunk);
    if (part === undefined) throw new CairnError('chunks-missing', `chunk ${chunk} is not staged`);
    return part.body;
  }

  async #put(chunk: number, body: Buffer, digest: Uint8Array): Promise<void> {
    const { manifest, layout } = this.#transfer;
    const lengthBytes = layout.chunkLengthBytes(chunk);
    if (isStream(manifest) ? body.length === 0 : body.length !== lengthBytes) {
      throw new CairnError('chunk-incomplete', `chunk ${chunk} has ${body.length} of ${lengthBytes} bytes`);
    }
    const key = this.#prefix + chunk;
    const there = (await this.#backend.head(key))?.metadata['digest'];
    if (there === undefined || !sameDigest(Buffer.from(there, 'hex'), digest)) {
      await this.#backend.put(key, body, { digest: Buffer.from(digest).toString('hex') });
    }
    this.digests.set(chunk, digest);
  }
}
