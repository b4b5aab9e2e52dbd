/** Reads chunks back from the staging folder. */
import { closeSync, constants, openSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import type { ChunkPlace } from './chunk-writer.ts';
import { readPieces } from '../tree/read-pieces.ts';

/**
 * The first `place.lengthBytes` bytes of a chunk in an open staging folder; fewer only where `mayBeShorter` allows it.
 *
 * @throws CairnError `chunks-missing` where they are missing, storage codes
 */
export async function* readStaged(
  folder: Directory,
  chunk: number,
  place: ChunkPlace,
): AsyncGenerator<Uint8Array> {
  const missing = (cause?: unknown): CairnError =>
    new CairnError('chunks-missing', `the staged bytes of chunk ${chunk} are gone`, {
      cause,
      details: { chunk },
    });
  let fd: number | undefined;
  let left = place.lengthBytes;
  try {
    fd = openSync(
      folder.at(place.fileName),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    for await (const piece of readPieces(fd, place.fileOffset, place.fileOffset + left)) {
      left -= piece.byteLength;
      yield piece;
    }
    if (left > 0 && !place.mayBeShorter) throw missing();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') throw missing(error);
    throw storageError(error, `reading chunk ${chunk}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
