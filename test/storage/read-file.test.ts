/** Small files share memory; what is handed out is nobody else's. */
import { expect, test } from 'vitest';
import { directory, file, putTree } from '../suites/staged-transfer.ts';
import { diskPlace } from './local-disk-fixtures.ts';

/** More bytes than several slabs have, of all small sizes and some larger ones. */
const SIZES = Array.from({ length: 400 }, (_, n) => (n % 50 === 0 ? 100_000 : (n * 977) % 9000));

test.each([true, false])(
  'small files that are read together keep their bytes (native: %s)',
  async (useNative) => {
    const store = await diskPlace().open({ useNative });
    const files = SIZES.map((sizeBytes, n) => file(`f${n}`, sizeBytes));
    await putTree(store, 't', [directory(''), ...files]);
    const kept = await Promise.all(
      files.map(async ({ entry: { path, sizeBytes } }) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of store.read(`t/${path}`, { from: 0, to: sizeBytes })) pieces.push(piece);
        return pieces;
      }),
    );
    for (const [index, { bytes }] of files.entries())
      expect(Buffer.concat(kept[index]!).equals(bytes)).toBe(true);
  },
);
