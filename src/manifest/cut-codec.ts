/**
 * Lists of blocks and of grains as bytes, for the wire and for journals.
 *
 * A list is a record for each block or grain: its length (blocks u24, grains u16, big-endian), then its id. So it has one
 * form only, and needs no header: it is whole where its lengths add up to the bytes of the file or of the blocks.
 */
import { CairnError } from '../base/errors.ts';
import { GRAIN_ID_BYTES } from './cut-ids.ts';
import type { CutList } from './cut-list.ts';
import { BLOCK_BYTES, GRAIN_BYTES, MANY_BLOCKS_FROM_BYTES } from './gear2.ts';
import type { Recipe } from './recipe.ts';

const BLOCK_LENGTH_BYTES = 3;
const GRAIN_LENGTH_BYTES = 2;

/** The records of some blocks of a recipe: of those in `[from, to)`. */
export function encodeBlocks({ blocks }: Pick<Recipe, 'blocks'>, from = 0, to = blocks.count): Buffer {
  return encodeCuts(blocks, BLOCK_LENGTH_BYTES, from, to);
}

/** The records of grains. */
export function encodeGrains(grains: CutList): Buffer {
  return encodeCuts(grains, GRAIN_LENGTH_BYTES, 0, grains.count);
}

/** Most bytes that the records of a file of this size can have. */
export function maxRecipeBytes(sizeBytes: number, idBytes: number): number {
  if (sizeBytes < MANY_BLOCKS_FROM_BYTES) return BLOCK_LENGTH_BYTES + idBytes;
  return (Math.floor(sizeBytes / BLOCK_BYTES.min) + 1) * (BLOCK_LENGTH_BYTES + idBytes);
}

/**
 * Reads all records of a file of this size.
 *
 * @throws CairnError `invalid-request` where the chunker cannot have cut such a file so
 */
export function decodeRecipe(bytes: Buffer, sizeBytes: number, idBytes: number): Recipe {
  const blocks = decodeCuts(bytes, BLOCK_LENGTH_BYTES, idBytes);
  const isOne = sizeBytes < MANY_BLOCKS_FROM_BYTES;
  let end = 0;
  for (let index = 0; index < blocks.count; index += 1) {
    const lengthBytes = blocks.lengths[index]!;
    end += lengthBytes;
    const isShort = lengthBytes < BLOCK_BYTES.min && end !== sizeBytes;
    if (lengthBytes === 0 || isShort || lengthBytes > BLOCK_BYTES.max)
      throw refused('a block has a wrong length');
  }
  if (end !== sizeBytes || (isOne && blocks.count > 1)) throw refused('its blocks are not those of the file');
  return { sizeBytes, blocks };
}

/**
 * Reads the records of all grains of some blocks.
 *
 * @param blockLengths the lengths of these blocks, in bytes
 * @throws CairnError `invalid-request` where the chunker cannot have cut such blocks so
 */
export function decodeGrains(bytes: Buffer, blockLengths: Iterable<number>): CutList {
  const grains = decodeCuts(bytes, GRAIN_LENGTH_BYTES, GRAIN_ID_BYTES);
  let grain = 0;
  for (const blockBytes of blockLengths) {
    for (let end = 0; end < blockBytes; grain += 1) {
      const lengthBytes = grains.lengths[grain] ?? 0;
      end += lengthBytes;
      const isShort = lengthBytes < GRAIN_BYTES.min && end !== blockBytes;
      if (lengthBytes === 0 || isShort || lengthBytes > GRAIN_BYTES.max || end > blockBytes) {
        throw refused('a grain has a wrong length');
      }
    }
  }
  if (grain !== grains.count) throw refused('it has more grains than the blocks');
  return grains;
}

function encodeCuts(list: CutList, lengthBytes: number, from: number, to: number): Buffer {
  const recordBytes = lengthBytes + list.idBytes;
  const out = Buffer.allocUnsafe((to - from) * recordBytes);
  for (let index = from; index < to; index += 1) {
    const at = (index - from) * recordBytes;
    out.writeUIntBE(list.lengths[index]!, at, lengthBytes);
    list.ids.copy(out, at + lengthBytes, index * list.idBytes, (index + 1) * list.idBytes);
  }
  return out;
}

function decodeCuts(bytes: Buffer, lengthBytes: number, idBytes: number): CutList {
  const recordBytes = lengthBytes + idBytes;
  if (bytes.byteLength % recordBytes !== 0) throw refused('a record is not whole');
  const count = bytes.byteLength / recordBytes;
  const lengths = new Uint32Array(count);
  const ids = Buffer.allocUnsafe(count * idBytes);
  for (let index = 0; index < count; index += 1) {
    const at = index * recordBytes;
    lengths[index] = bytes.readUIntBE(at, lengthBytes);
    bytes.copy(ids, index * idBytes, at + lengthBytes, at + recordBytes);
  }
  return { count, lengths, ids, idBytes };
}

function refused(why: string): CairnError {
  return new CairnError('invalid-request', `the recipe is refused: ${why}`);
}
