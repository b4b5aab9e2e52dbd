/**
 * Mirrors that delete while a directory on the way is swapped, again and again, for a symbolic link to a directory outside
 * that has the very same entries, of the same sizes and times: nothing outside is ever removed.
 */
import { cpSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { canTrace, traced } from '../faults/support/strace.ts';
import { cairn } from '../support/cli.ts';
import { startDiskServer } from '../support/servers.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';

const FOLDERS = 6;
const FILES = 60;

/** Each call that removes something takes so long that a swap fits before it, and between two of them. */
const SLOW = canTrace ? traced({ inject: ['unlink,unlinkat,rmdir:delay_enter=2000'], mainThread: true }) : {};

function fill(root: string): void {
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    const directory = path.join(root, `folder-${folder}`, 'deep');
    mkdirSync(directory, { recursive: true });
    for (let file = 0; file < FILES; file += 1) writeFileSync(path.join(directory, `file-${file}`), 'x');
  }
}

/** Swaps directories of `to` for links to those of `outside` until `isOver`; answers how often a link stood there. */
async function swap(to: string, outside: string, isOver: () => boolean): Promise<number> {
  const hidden = temporaryDirectory();
  let swaps = 0;
  while (!isOver()) {
    for (let folder = 0; folder < FOLDERS && !isOver(); folder += 1) {
      const name = `folder-${folder}`;
      // Now the one above, now the one itself.
      const [at, target] =
        swaps % 2 === 0
          ? [path.join(to, name), name]
          : [path.join(to, name, 'deep'), path.join(name, 'deep')];
      const aside = path.join(hidden, `${swaps}`);
      try {
        renameSync(at, aside);
      } catch {
        continue; // it is deleted already
      }
      try {
        symlinkSync(path.join(outside, target), at);
        await turn();
        unlinkSync(at);
        renameSync(aside, at);
        swaps += 1;
      } catch {
        // What was above it is deleted meanwhile.
      }
      await turn();
    }
    await turn();
  }
  return swaps;
}

test.each(['push', 'pull'] as const)(
  'a %s that deletes while directories are swapped for links removes nothing outside',
  async (direction) => {
    const server = await startDiskServer(direction === 'push' ? SLOW : {});
    const [local, remote] = [path.join(temporaryDirectory(), 'tree'), path.join(server.root, 'tree')];
    const [from, to] = direction === 'push' ? [local, remote] : [remote, local];
    mkdirSync(path.join(from, 'kept'), { recursive: true });
    writeFileSync(path.join(from, 'kept', 'file'), 'kept');
    fill(to);
    const outside = temporaryDirectory();
    cpSync(to, outside, { recursive: true, preserveTimestamps: true });
    const before = pictureOf(outside);

    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const places = direction === 'push' ? [local, `${server.url}/tree`] : [`${server.url}/tree`, local];
    const words = [direction, '--json', '--delete', '--max-delete', '100%', ...places];
    const life = { isOver: false };
    const [result, swaps] = await Promise.all([
      cairn(words, { ...environment, ...(direction === 'pull' ? SLOW : {}) }).finally(
        () => (life.isOver = true),
      ),
      swap(to, outside, () => life.isOver),
    ]);
    expect(pictureOf(outside)).toEqual(before);
    expect([0, 3], result.stderr).toContain(result.exitCode);
    expect(swaps).toBeGreaterThan(10);
    expect(result.last['entriesDeleted']).toBeGreaterThan(0);

    expect(await cairn(words, environment)).toMatchObject({ exitCode: 0 });
    expect(Object.keys(pictureOf(to)).filter((name) => !name.startsWith('.cairn'))).toEqual(
      Object.keys(pictureOf(from)).filter((name) => !name.startsWith('.cairn')),
    );
    expect(pictureOf(outside)).toEqual(before);
  },
);
