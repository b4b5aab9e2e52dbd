/** What the links of a plan bring, counted while others are served. */
import { expect, test } from 'vitest';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import { linkBytesOf } from '../../src/server/core/sessions/transfer-plan.ts';

test('the targets of 300,000 links are counted while others have the event loop', async () => {
  const entries = new EntryTable();
  for (let index = 0; index < 300_000; index += 1)
    entries.push({
      type: 'symlink',
      path: `${index}`,
      sizeBytes: 0,
      mode: 0o777,
      mtimeNs: 0n,
      linkTarget: 'ü',
    });
  let [turns, isOver] = [0, false];
  const others = (): void => {
    turns += 1;
    if (!isOver) setImmediate(others);
  };
  setImmediate(others);
  const manifest = { entries, chunkSizeBytes: 65_536, digest: 'xxh64', encodedBytes: 0, id: '' } as const;
  const bytes = await linkBytesOf({ manifest, have: ChunkSet.fromRuns([0, 10], entries.length) });
  isOver = true;
  expect(bytes).toBe(2 * 299_990);
  expect(turns).toBeGreaterThan(1);
});
