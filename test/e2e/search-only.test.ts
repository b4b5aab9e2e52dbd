/** Destinations that may be searched and written, and not read, as drop directories are. */
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cairn, type CliEnvironment } from '../support/cli.ts';
import { obeyingPermissions } from '../support/requirements.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';

/** A server with a tree, and a directory that only its owner may search and write. */
async function openScene(): Promise<{ server: DiskServer; here: CliEnvironment; drop: string }> {
  const server = await startDiskServer();
  mkdirSync(path.join(server.root, 'tree/deep'), { recursive: true });
  writeFileSync(path.join(server.root, 'tree/deep/file'), 'content');
  const drop = path.join(temporaryDirectory(), 'drop');
  mkdirSync(drop);
  chmodSync(drop, 0o300);
  const here = { stateHome: temporaryDirectory(), token: server.token, before: obeyingPermissions ?? [] };
  return { server, here, drop };
}

test.skipIf(obeyingPermissions === undefined).each([
  ['a file', 'tree/deep/file', 'file'],
  ['a tree', 'tree', 'tree'],
])(
  '%s is pulled into a search-only directory, which stays as it was (needs setpriv as root)',
  async (_what, source, name) => {
    const { server, here, drop } = await openScene();
    const place = path.join(drop, name);
    const pulled = await cairn(['pull', '-q', `${server.url}/${source}`, place], here);
    expect([pulled.exitCode, pulled.stderr]).toEqual([0, '']);
    expect(statSync(drop).mode & 0o7777).toBe(0o300);
    chmodSync(drop, 0o700);
    expect(pictureOf(place)).toEqual(pictureOf(path.join(server.root, source)));
  },
);

test.skipIf(obeyingPermissions === undefined)(
  'the entries of a tree are pulled into a search-only directory, which stays as it was (needs setpriv as root)',
  async () => {
    const { server, here, drop } = await openScene();
    const pulled = await cairn(['pull', '-q', `${server.url}/tree`, drop], here);
    expect([pulled.exitCode, pulled.stderr]).toEqual([0, '']);
    expect(statSync(drop).mode & 0o7777).toBe(0o300);
    chmodSync(drop, 0o700);
    expect(pictureOf(path.join(drop, 'deep'))).toEqual(pictureOf(path.join(server.root, 'tree/deep')));
  },
);
