/** What a directory is that a copy is given. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { kindOfDirectory } from '../../../../src/cli/commands/store/copy-ends.ts';
import { openDirectoryObjects } from '../../../../src/storage/objects/directory/directory-objects.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

test('a directory of objects is told from a root, also from one that has files of the same names', async () => {
  const store = temporaryDirectory();
  expect([await kindOfDirectory(store), await kindOfDirectory(path.join(store, 'missing'))]).toEqual([
    'empty',
    'empty',
  ]);
  await openDirectoryObjects(store);
  const root = temporaryDirectory();
  for (const name of ['.cairn', 'format', 'keys']) mkdirSync(path.join(root, name));
  expect([await kindOfDirectory(store), await kindOfDirectory(root)]).toEqual(['store', 'root']);
});
