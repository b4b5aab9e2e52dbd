/** Owners, groups, attributes, lists, hard links and holes, over the real command line; rsync judges. */
import { chownSync, linkSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cairn, type CliResult } from '../support/cli.ts';
import { canKeepMetadata, differences, setXattr, writeMetadataTree } from '../support/metadata-tree.ts';
import { canMount, mountTmpfs, STRANGER } from '../support/requirements.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const ALLOWING = { extraArgs: ['--allow-owners'] };

function clientOf(server: DiskServer) {
  const stateHome = temporaryDirectory();
  const run = (...words: string[]): Promise<CliResult> => cairn(words, { stateHome, token: server.token });
  return {
    push: (source: string, ...words: string[]) => run('push', '--json', ...words, source, `${server.url}/t`),
    pull: (to: string, ...words: string[]) => run('pull', '--json', ...words, `${server.url}/t`, to),
  };
}

describe.skipIf(!canKeepMetadata)('--archive (needs root, rsync, and a file system with attributes)', () => {
  it('a push and a pull with --archive bring all metadata, and a second run finds nothing to do', async () => {
    const server = await startDiskServer(ALLOWING);
    const { push, pull } = clientOf(server);
    const source = writeMetadataTree();
    const there = path.join(server.root, 't');
    const pushed = await push(source, '--archive');
    expect(pushed.last, pushed.stderr).toMatchObject({ exitCode: 0, unkept: 0 });
    expect(differences(source, there)).toBe('');
    expect((await push(source, '--archive')).last).toMatchObject({ exitCode: 0, changed: 0, bytesSent: 0 });
    const back = path.join(temporaryDirectory(), 'back');
    const pulled = await pull(back, '--archive');
    expect(pulled.last, pulled.stderr).toMatchObject({ exitCode: 0, unkept: 0 });
    expect(differences(source, back)).toBe('');
    expect((await pull(back, '--archive')).last).toMatchObject({
      exitCode: 0,
      changed: 0,
      bytesReceived: 0,
    });
    for (const tree of [there, back]) {
      expect(statSync(path.join(tree, 'holes')).blocks).toBeLessThan(64);
      expect(statSync(path.join(tree, 'd/small-holes')).blocks).toBeLessThan(48);
    }
  });

  it('--archive sets changed metadata without sending bytes, and makes a broken hard link again', async () => {
    const server = await startDiskServer(ALLOWING);
    const { push, pull } = clientOf(server);
    const source = writeMetadataTree();
    const there = path.join(server.root, 't');
    await push(source, '--archive');
    chownSync(path.join(source, 'big'), 5, 6);
    setXattr(path.join(source, 'd/b'), 'user.new', 'x');
    chownSync(path.join(source, 'd'), 8, 9);
    rmSync(path.join(there, 'z'));
    writeFileSync(path.join(there, 'z'), 'other');
    const pushed = await push(source, '--archive');
    expect(pushed.last, pushed.stderr).toMatchObject({ exitCode: 0, bytesSent: 0 });
    expect(differences(source, there)).toBe('');
    const back = path.join(temporaryDirectory(), 'back');
    await pull(back, '--archive');
    chownSync(path.join(there, 'a'), 33, 33);
    expect((await pull(back, '--archive')).last).toMatchObject({ exitCode: 0, bytesReceived: 0 });
    expect(differences(there, back)).toBe('');
  });

  it('a push without --archive sets no metadata of the kinds of --archive, and a later one with it does', async () => {
    const server = await startDiskServer(ALLOWING);
    const { push } = clientOf(server);
    const source = writeMetadataTree();
    expect((await push(source)).last).not.toHaveProperty('unkept');
    const file = path.join(server.root, 't/big');
    expect([statSync(file).uid, statSync(file).nlink]).toEqual([0, 1]);
    expect((await push(source, '--archive')).last).toMatchObject({ exitCode: 0, bytesSent: 0 });
    expect(differences(source, path.join(server.root, 't'))).toBe('');
  });

  it('the served root keeps its owner, whatever comes into it', async () => {
    const server = await startDiskServer(ALLOWING);
    const source = writeMetadataTree();
    chownSync(source, 4242, 4242);
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const push = (): Promise<CliResult> =>
      cairn(['push', '--json', '--archive', source, `${server.url}/`], environment);
    expect((await push()).last).toMatchObject({ exitCode: 0, unkept: 0 });
    expect([statSync(server.root).uid, statSync(path.join(server.root, 'a')).uid]).toEqual([0, 1]);
    expect((await push()).last).toMatchObject({ exitCode: 0, bytesSent: 0 });
    expect(statSync(server.root).uid).toBe(0);
  });

  it.skipIf(!canMount)(
    'a hard link that would leave its file system becomes a copy, which is named',
    async () => {
      const server = await startDiskServer(ALLOWING);
      const source = temporaryDirectory();
      mkdirSync(path.join(source, 'mount'));
      writeFileSync(path.join(source, 'a'), 'content');
      chownSync(path.join(source, 'a'), 3, 4);
      writeFileSync(path.join(source, 'mount/b'), 'other');
      linkSync(path.join(source, 'a'), path.join(source, 'mount/a'));
      linkSync(path.join(source, 'mount/b'), path.join(source, 'mount/c'));
      const there = path.join(server.root, 't');
      mountTmpfs(path.join(there, 'mount'), 1024 * 1024);
      const pushed = await clientOf(server).push(source, '--archive');
      expect(pushed.last, pushed.stderr).toMatchObject({ exitCode: 0, unkept: 1 });
      expect(pushed.stderr).toContain('hard links are not kept (1 entries, the first is "mount/a")');
      const copy = statSync(path.join(there, 'mount/a'));
      expect([copy.uid, copy.gid, copy.nlink, copy.size]).toEqual([3, 4, 1, 7]);
      expect(statSync(path.join(there, 'mount/c')).nlink).toBe(2);
      expect(readdirSync(path.join(there, 'mount')).toSorted()).toEqual(['a', 'b', 'c']);
    },
  );

  it('--group, --hard-links and --owner each set their own kind of metadata alone', async () => {
    const server = await startDiskServer(ALLOWING);
    const { push } = clientOf(server);
    const source = writeMetadataTree();
    const file = path.join(server.root, 't/big');
    await push(source, '--group', '--numeric-ids');
    expect([statSync(file).uid, statSync(file).gid, statSync(file).nlink]).toEqual([0, 54_321, 1]);
    await push(source, '--hard-links');
    expect([statSync(file).uid, statSync(file).nlink]).toEqual([0, 2]);
    await push(source, '--owner');
    expect(statSync(file).uid).toBe(12_345);
  });

  it('a server without --allow-owners sets no owners, groups and lists, which is named, and strictly exit 3', async () => {
    const server = await startDiskServer();
    const { push } = clientOf(server);
    const source = writeMetadataTree();
    const pushed = await push(source, '--archive');
    expect(pushed.last).toMatchObject({ exitCode: 0, code: 'ok' });
    expect(pushed.last['unkept']).toBeGreaterThan(0);
    for (const words of ['owners', 'groups', 'access control lists'])
      expect(pushed.stderr.split(`cairn: ${words} are not kept`)).toHaveLength(2);
    const file = statSync(path.join(server.root, 't/big'));
    expect([file.uid, file.gid, file.nlink]).toEqual([0, 0, 2]);
    const strict = await push(source, '--archive', '--strict-metadata');
    expect(strict.last).toMatchObject({ exitCode: 3, code: 'partial' });
  });

  it('an ordinary user pulls what he may set, and is told once of what he may not', async () => {
    const server = await startDiskServer(ALLOWING);
    writeMetadataTree(path.join(server.root, 't'));
    const home = temporaryDirectory();
    const to = path.join(home, 'to');
    for (const name of ['state', 'to']) mkdirSync(path.join(home, name));
    for (const name of ['.', 'state', 'to']) chownSync(path.join(home, name), STRANGER, STRANGER);
    const pulled = await cairn(['pull', '--json', '--archive', `${server.url}/t`, to], {
      stateHome: path.join(home, 'state'),
      token: server.token,
      before: ['setpriv', `--reuid=${STRANGER}`, `--regid=${STRANGER}`, '--clear-groups', '--'],
    });
    expect(pulled.last, pulled.stderr).toMatchObject({ exitCode: 0 });
    expect(pulled.stderr.split('owners are not kept')).toHaveLength(2);
    expect(pulled.stderr.split('groups are not kept')).toHaveLength(2);
    const file = statSync(path.join(to, 'big'));
    expect([file.uid, file.gid, file.nlink]).toEqual([STRANGER, STRANGER, 2]);
  });
});
