/** Cuts local files into blocks and grains, and computes the checks by which they are proved once they are assembled. */
import { type CutIds, loadCutIds } from '../../manifest/cut-ids.ts';
import { createCutListBuilder, type CutList } from '../../manifest/cut-list.ts';
import type { DigestAlgorithm, Hasher } from '../../manifest/digest.ts';
import { createCutter, type Cutter } from '../../manifest/gear2.ts';
import { CHECK_BYTES } from '../../manifest/parts-document.ts';
import { addGrains, createGrainList, createRecipeMaker, type Recipe } from '../../manifest/recipe.ts';
import type { LocalFile } from '../transfer/comparing.ts';

/** What cuts files; one at a time. */
export interface FileCutter {
  /** The blocks of a file, and its checks. @throws CairnError what reading throws */
  cut(file: LocalFile, sizeBytes: number): Promise<{ readonly recipe: Recipe; readonly checks: Recipe }>;
  /** The grains of some blocks of a file. @throws CairnError what reading throws */
  grainsOf(file: LocalFile, blocks: Iterable<{ offset: number; lengthBytes: number }>): Promise<CutList>;
}

/** Makes one. */
export async function createFileCutter(digest: DigestAlgorithm, signal: AbortSignal): Promise<FileCutter> {
  const ids = await loadCutIds(digest);
  const cutter: Cutter = createCutter();
  async function* read(
    { store, path, identity }: LocalFile,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array> {
    for await (const piece of store.read(path, { from, to }, identity)) {
      signal.throwIfAborted();
      yield piece;
    }
  }
  return {
    cut: async (file, sizeBytes) => {
      const maker = createRecipeMaker(cutter, ids, sizeBytes);
      const checks = createCheckMaker(ids, sizeBytes);
      for await (const piece of read(file, 0, sizeBytes)) {
        maker.update(piece);
        checks.update(piece);
      }
      return { recipe: maker.finish(), checks: checks.finish() };
    },
    grainsOf: async (file, blocks) => {
      const grains = createGrainList();
      for (const { offset, lengthBytes } of blocks) {
        const pieces: Uint8Array[] = [];
        for await (const piece of read(file, offset, offset + lengthBytes)) pieces.push(Buffer.from(piece));
        addGrains(grains, cutter, ids, Buffer.concat(pieces));
      }
      return grains.finish();
    },
  };
}

/** Computes the id of each {@link CHECK_BYTES} of a file. */
function createCheckMaker(
  ids: CutIds,
  sizeBytes: number,
): { update(bytes: Uint8Array): void; finish(): Recipe } {
  const checks = createCutListBuilder(ids.blockIdBytes);
  let hasher: Hasher = ids.createBlockHasher();
  let begunBytes = 0;
  const close = (): void => {
    const { ids: out, at } = checks.add(begunBytes);
    out.set(hasher.digest(), at);
    hasher = ids.createBlockHasher();
    begunBytes = 0;
  };
  return {
    update: (bytes) => {
      for (let at = 0; at < bytes.byteLength;) {
        const take = Math.min(CHECK_BYTES - begunBytes, bytes.byteLength - at);
        hasher.update(bytes.subarray(at, at + take));
        begunBytes += take;
        at += take;
        if (begunBytes === CHECK_BYTES) close();
      }
    },
    finish: () => {
      if (begunBytes > 0) close();
      return { sizeBytes, blocks: checks.finish() };
    },
  };
}
