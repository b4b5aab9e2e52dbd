import { expect, test } from 'vitest';
import { conflictsThere } from '../../src/client/transfer/dry-run-conflicts.ts';
import type { Entry } from '../../src/manifest/entry.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';

const A_FILE: Entry = { type: 'file', path: 'a', sizeBytes: 1, mtimeNs: 0n, mode: 0o644, linkTarget: '' };

test('a dry run with --force-replace names all of a directory that has more entries than a call can have arguments', async () => {
  const entries = Array.from({ length: 200_000 }, (_, index) => ({
    path: `a/${index}`,
    type: 'file' as const,
    sizeBytes: 1,
  }));
  const there = {
    isKnown: true,
    typeOf: () => 'directory' as const,
    isUnsupported: () => false,
    below: async () => ({ entries, hasMore: false }),
    leadsToDirectory: async () => false,
  };
  const wishes = { forceReplace: true, deleted: undefined, keepsExisting: false };
  const { gone, leftOut } = await conflictsThere(EntryTable.from([A_FILE]), () => false, there, wishes);
  expect([gone.length, leftOut.size]).toEqual([200_000, 0]);
});
