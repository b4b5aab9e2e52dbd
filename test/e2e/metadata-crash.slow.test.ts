/** A crash in the middle of publishing a tree with metadata. */
import { chownSync, linkSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { cairn } from '../support/cli.ts';
import { canKeepMetadata, differences, writeMetadataTree } from '../support/metadata-tree.ts';
import { startDiskServer } from '../support/servers.ts';

import { temporaryDirectory } from '../support/trees.ts';

it.skipIf(!canKeepMetadata)(
  'a push whose server was killed while it published goes on with the same metadata (needs root)',
  async () => {
    const server = await startDiskServer({ extraArgs: ['--allow-owners'] });
    const source = writeMetadataTree();
    for (let n = 0; n < 6000; n += 1) {
      const file = path.join(source, `many-${n}`);
      writeFileSync(file, `${n}`);
      chownSync(file, 1000 + (n % 50), 2000 + (n % 50));
      if (n % 3 === 0) linkSync(file, `${file}-link`);
    }
    const there = path.join(server.root, 't');
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const words = ['push', '--json', '--archive', '--retry-for', '2m', source, `${server.url}/t`];
    const pushing = cairn(words, environment);
    // In the middle of publishing: some files have got their names, and most have not.
    const isBegun = (): boolean => {
      try {
        return readdirSync(there).some((name) => name.startsWith('many'));
      } catch {
        return false; // it is not there yet
      }
    };
    while (!isBegun()) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.kill();
    await server.start();
    expect((await pushing).last).toMatchObject({ exitCode: 0, unkept: 0 });
    expect(differences(source, there)).toBe('');
  },
);
