/** Cuts a whole file as `createCutsMaker` does, and spares finding the ends of blocks that its other version has, too. */
import { CairnError } from '../base/errors.ts';
import type { CutGuide } from './cut-guide.ts';
import { createCutListBuilder } from './cut-list.ts';
import { createCheckMaker } from './file-checks.ts';
import type { CutsMaking } from './file-cuts-maker.ts';
import { BLOCK_BYTES } from './gear2.ts';
import type { Cuts } from './kept-cuts-format.ts';

/** Cuts one file, block by block. */
interface GuidedMaker {
  /** The bytes that are cut. */
  cutBytes(): number;
  /** Cuts the block at the beginning of these bytes, which have all of it; answers its length in bytes. */
  cutOne(bytes: Uint8Array): Promise<number>;
  finish(): Cuts;
}

function createGuidedMaker(
  { cutter, ids, withChecks }: CutsMaking,
  sizeBytes: number,
  guide: CutGuide,
): GuidedMaker {
  const blocks = createCutListBuilder(ids.blockIdBytes);
  const checks = withChecks ? createCheckMaker(ids, sizeBytes) : undefined;
  let at = 0;
  const idOf = (block: Uint8Array): Uint8Array => {
    const hasher = ids.createBlockHasher();
    hasher.update(block);
    return hasher.digest();
  };
  const add = (block: Uint8Array, id: Uint8Array): number => {
    const { ids: out, at: place } = blocks.add(block.byteLength);
    out.set(id, place);
    checks?.update(block);
    at += block.byteLength;
    return block.byteLength;
  };
  return {
    cutBytes: () => at,
    cutOne: async (bytes) => {
      const asked = guide.expect(at, sizeBytes - at);
      const expected = asked instanceof Promise ? await asked : asked;
      if (expected !== undefined) {
        const same = bytes.subarray(0, expected.lengthBytes);
        const id = idOf(same);
        if (Buffer.compare(id, expected.id) === 0) return add(same, id);
      }
      const block = bytes.subarray(0, cutter.blockBytesOf(bytes.subarray(0, BLOCK_BYTES.max)));
      const place = at;
      add(block, idOf(block));
      guide.lineUp(place, blocks.finish());
      return block.byteLength;
    },
    finish: () => ({ recipe: { sizeBytes, blocks: blocks.finish() }, checks: checks?.finish() }),
  };
}

/**
 * Cuts a file of at least 128 KiB, whose bytes come in order.
 *
 * @throws CairnError `internal` where it has other than so many bytes; errors of the source
 */
export async function cutGuided(
  making: CutsMaking,
  sizeBytes: number,
  guide: CutGuide,
  source: AsyncIterable<Uint8Array>,
): Promise<Cuts> {
  const maker = createGuidedMaker(making, sizeBytes, guide);
  /** Cuts blocks that begin before `end` as long as they are whole; answers where the next one begins. */
  const cutAll = async (bytes: Uint8Array, from: number, end: number): Promise<number> => {
    let place = from;
    while (place < end) {
      const leftBytes = bytes.byteLength - place;
      if (leftBytes < Math.min(BLOCK_BYTES.max, sizeBytes - maker.cutBytes())) break;
      place += await maker.cutOne(bytes.subarray(place));
    }
    return place;
  };
  // What is left of a piece, less than a block can have, and behind it the beginning of the next piece. New buffers cost page faults.
  const window = Buffer.allocUnsafeSlow(2 * BLOCK_BYTES.max);
  let headBytes = 0;
  for await (const piece of source) {
    let place = 0;
    if (headBytes > 0) {
      const next = piece.subarray(0, window.byteLength - headBytes);
      window.set(next, headBytes);
      const bothBytes = headBytes + next.byteLength;
      const end = await cutAll(window.subarray(0, bothBytes), 0, headBytes);
      if (end < headBytes) {
        window.copyWithin(0, end, bothBytes);
        headBytes = bothBytes - end;
        continue;
      }
      place = end - headBytes;
    }
    const rest = piece.subarray(await cutAll(piece, place, piece.byteLength));
    window.set(rest);
    headBytes = rest.byteLength;
  }
  if (maker.cutBytes() === sizeBytes && headBytes === 0) return maker.finish();
  throw new CairnError('internal', 'a file has other than the bytes of its size');
}
