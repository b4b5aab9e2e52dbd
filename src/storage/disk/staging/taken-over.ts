/**
 * Chunks of an earlier opening, which count because the journal records them. Between two openings their files may have
 * changed, so they are hashed again before they are published: resuming costs no rescan, committing may.
 */
import { chmodSync, closeSync, constants, lstatSync, openSync } from 'node:fs';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { joinPath } from '../../../base/safe-path.ts';
import type { CheckpointLog } from '../../../checkpoint/checkpoint-log.ts';
import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import { loadHasher } from '../../../manifest/digest.ts';
import { isStream, type Layout } from '../../../manifest/layout.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import { chunkAgrees } from '../../../transfer/chunk-agrees.ts';
import type { ChunkPlace } from './chunk-writer.ts';
import { splitPath } from '../tree/lookup.ts';
import { readPieces } from '../tree/read-pieces.ts';
import { readStaged } from './read-staged.ts';
import { chunkPlace, firstEntryOf } from './staged-names.ts';

/** The places in which to look for these chunks. */
export interface TakenOverPlace {
  /** The root of the store, for entries that an earlier run has already published; borrowed. */
  readonly root: Directory;
  /** The staging folder; borrowed. */
  readonly folder: Directory;
  readonly log: CheckpointLog;
  readonly transfer: IncomingTransfer;
  /** Also for a stream whose size is known. */
  readonly layout: Layout;
}

/** The chunks from an earlier opening that have not been read since. */
export class TakenOverChunks {
  readonly #unread: ChunkSet;

  /** @param chunks the chunks of the journal when it was opened */
  constructor(chunks: Iterable<number>) {
    this.#unread = new ChunkSet();
    for (const chunk of chunks) this.#unread.add(chunk);
  }

  /** The chunk arrived again, or is forgotten. */
  delete(chunk: number): void {
    this.#unread.delete(chunk);
  }

  /**
   * Hashes each chunk once, except those that `isUnneeded`; forgets the wrong ones, durably, and answers them.
   *
   * @throws CairnError with a storage code
   */
  async forgetWrong(place: TakenOverPlace, isUnneeded: (chunk: number) => boolean): Promise<number[]> {
    const { log, layout, transfer } = place;
    const createHasher = await loadHasher(transfer.manifest.digest);
    const wrong: number[] = [];
    for (const chunk of this.#unread.copy().values()) {
      const digest = log.digests.get(chunk);
      if (digest === undefined || chunk >= layout.chunkCount || isUnneeded(chunk)) continue;
      if (await chunkAgrees(bytesOf(place, chunk), digest, createHasher)) this.delete(chunk);
      else wrong.push(chunk);
    }
    if (wrong.length > 0) await log.append({ forget: wrong });
    for (const chunk of wrong) this.delete(chunk);
    return wrong;
  }
}

/** The staged bytes of a chunk, or its bytes at the final path where an earlier publishing was interrupted. */
async function* bytesOf(place: TakenOverPlace, chunk: number): AsyncGenerator<Uint8Array> {
  const { folder, transfer, layout } = place;
  const at = {
    ...chunkPlace(transfer, chunk),
    lengthBytes: layout.chunkLengthBytes(chunk),
    mayBeShorter: isStream(transfer.manifest) && layout.bytesTotal === undefined,
  };
  const entryIndex = firstEntryOf({ layout }, chunk);
  if (!layout.isLarge(entryIndex) || isStaged(folder.at(at.fileName))) yield* readStaged(folder, chunk, at);
  else yield* readPublished(place, transfer.manifest.entries.pathOf(entryIndex), at);
}

/** An interrupted publishing may have given the file its final mode, which may lock out its owner. */
function isStaged(file: string): boolean {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat?.isFile() === true && (stat.mode & 0o400) === 0) chmodSync(file, 0o600);
  return stat !== undefined;
}

async function* readPublished(
  { root, transfer }: TakenOverPlace,
  entryPath: string,
  at: ChunkPlace,
): AsyncGenerator<Uint8Array> {
  const { parent, name } = splitPath(joinPath(transfer.target, entryPath));
  const cursor = new DirectoryCursor(root);
  let fd: number | undefined;
  try {
    fd = openSync(
      cursor.enter(parent).at(name),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    yield* readPieces(fd, at.fileOffset, at.fileOffset + at.lengthBytes);
  } catch (error) {
    const isAbsent =
      error instanceof CairnError ? error.code === 'not-found' : systemCodeOf(error) === 'ENOENT';
    if (isAbsent) throw new CairnError('chunks-missing', 'staged bytes are gone', { cause: error });
    throw storageError(error, `reading what was published at "${name}"`);
  } finally {
    if (fd !== undefined) closeSync(fd);
    cursor.close();
  }
}
