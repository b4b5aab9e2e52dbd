/** What of the metadata of a tree is never carried, and the largest attributes that are. */
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { cairn } from '../support/cli.ts';
import { canKeepMetadata, fillAttributes, hasXattr, setXattr, xattrOf } from '../support/metadata-tree.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

it.skipIf(!canKeepMetadata)(
  'a push and a pull say once what is never carried, and the largest attributes come back (needs root)',
  async () => {
    const server = await startDiskServer({ extraArgs: ['--allow-owners'] });
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const url = `${server.url}/t`;
    const source = temporaryDirectory();
    for (const name of ['a', 'b', 'c']) writeFileSync(path.join(source, name), name);
    chmodSync(path.join(source, 'a'), 0o4755);
    setXattr(path.join(source, 'b'), 'trusted.x', '1');
    setXattr(path.join(source, 'a'), 'trusted.x', '1');
    const { values, bytes } = fillAttributes(path.join(source, 'c'));
    expect(bytes).toBeGreaterThan(3000);
    const pushed = await cairn(['push', '--json', '--archive', source, url], environment);
    expect(pushed.last, pushed.stderr).toMatchObject({ exitCode: 0, unkept: 0 });
    expect(pushed.stderr).toContain(
      '1 entry has a set-user-id or set-group-id bit, which cairn does not carry',
    );
    expect(pushed.stderr).toContain('2 entries have attributes of the system (security.*, trusted.*), which');
    const there = path.join(server.root, 't');
    expect([
      statSync(path.join(there, 'a')).mode & 0o7777,
      hasXattr(path.join(there, 'b'), 'trusted.x'),
    ]).toEqual([0o755, false]);
    chmodSync(path.join(there, 'b'), 0o2755);
    setXattr(path.join(there, 'c'), 'trusted.x', '1');
    const back = path.join(temporaryDirectory(), 'back');
    const pulled = await cairn(['pull', '--json', '--archive', url, back], environment);
    expect(pulled.last, pulled.stderr).toMatchObject({ exitCode: 0, unkept: 0 });
    expect(pulled.stderr).toContain('1 entry has a set-user-id or set-group-id bit, which');
    expect(pulled.stderr).toContain('1 entry has attributes of the system (security.*, trusted.*), which');
    const plain = await cairn(['pull', '--json', url, `${back}-plain`], environment);
    expect([plain.exitCode, plain.stderr.includes('does not carry')]).toEqual([0, false]);
    for (const [name, value] of values) expect(xattrOf(path.join(back, 'c'), name)?.equals(value)).toBe(true);
  },
);
