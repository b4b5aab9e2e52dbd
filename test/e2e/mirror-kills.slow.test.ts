/** Mirrors whose server or client is killed between publishing and deleting, and in the middle of deleting. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { canTrace, traced } from '../faults/support/strace.ts';
import { cairn, startCairn } from '../support/cli.ts';
import { startDiskServer } from '../support/servers.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';

/** Directories that only the destination has; each is removed with one call of rmdir, the last name first. */
const GONE = Array.from({ length: 9 }, (_, at) => `gone${at}`);

function fill(root: string, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(path.join(root, name), { recursive: true });
    writeFileSync(path.join(root, name, 'file'), `of ${name}`);
  }
}

const treeOf = (root: string): [string, string][] =>
  Object.entries(pictureOf(root)).filter(([name]) => name !== '' && !name.startsWith('.cairn'));

/** A kill at the first or a later removal of a directory. */
const MOMENTS = [
  ['before the first deletion', 1],
  ['in the middle of the deletions', 5],
] as const;

describe.skipIf(!canTrace)('mirrors that are killed while they delete (needs strace)', () => {
  test.each(MOMENTS)(
    'a server that is killed %s of a mirror deletes the rest after its restart',
    async (_when, at) => {
      const kill = traced({ inject: [`rmdir:signal=SIGKILL:when=${at}`], mainThread: true });
      const server = await startDiskServer(kill);
      const [from, to] = [temporaryDirectory(), path.join(server.root, 'tree')];
      fill(from, ['stays', 'new']);
      fill(to, ['stays', ...GONE]);
      const environment = { stateHome: temporaryDirectory(), token: server.token };
      const words = ['push', '--json', '--delete', '--max-delete', '90%', from, `${server.url}/tree`];
      const run = startCairn(words, environment);
      expect((await server.ended()).signal).toBe('SIGKILL');
      expect(treeOf(to)).not.toEqual(treeOf(from));
      await server.start({});
      expect(await run.result).toMatchObject({ exitCode: 0, last: { entriesDeleted: 18 } });
      expect(treeOf(to)).toEqual(treeOf(from));
    },
  );

  test.each(MOMENTS)(
    'a pull that is killed %s of its mirror deletes the rest in its next run',
    async (_when, at) => {
      const server = await startDiskServer();
      const [from, to] = [path.join(server.root, 'tree'), temporaryDirectory()];
      fill(from, ['stays', 'new']);
      fill(to, ['stays', ...GONE]);
      const environment = { stateHome: temporaryDirectory(), token: server.token };
      const words = ['pull', '--json', '--delete', '--max-delete', '90%', `${server.url}/tree`, to];
      const kill = traced({ inject: [`rmdir:signal=SIGKILL:when=${at}`], mainThread: true });
      expect((await cairn(words, { ...environment, ...kill })).signal).toBe('SIGKILL');
      expect(treeOf(to)).not.toEqual(treeOf(from));
      expect(await cairn(words, environment)).toMatchObject({ exitCode: 0, last: { entriesDeleted: 18 } });
      expect(treeOf(to)).toEqual(treeOf(from));
    },
  );

  test('a pull without --delete leaves what a killed mirror left', async () => {
    const server = await startDiskServer();
    const [from, to] = [path.join(server.root, 'tree'), temporaryDirectory()];
    fill(from, ['stays', 'new']);
    fill(to, ['stays', ...GONE]);
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const words = ['pull', '--json', `${server.url}/tree`, to];
    const kill = traced({ inject: ['rmdir:signal=SIGKILL:when=3'], mainThread: true });
    const mirror = [...words, '--delete', '--max-delete', '90%'];
    expect((await cairn(mirror, { ...environment, ...kill })).signal).toBe('SIGKILL');
    const left = treeOf(to).filter(([name]) => name.startsWith('gone'));
    expect(left.length).toBeGreaterThan(0);
    expect((await cairn(words, environment)).exitCode).toBe(0);
    expect(treeOf(to).filter(([name]) => name.startsWith('gone'))).toEqual(left);
  });
});
