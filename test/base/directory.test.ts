import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryCursor } from '../../src/base/directory-walk.ts';
import { type Directory, openDirectory } from '../../src/base/directory.ts';
import { loadNative } from '../../src/base/native.ts';

let home: string;
let root: Directory;

function openDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

const calls = (await loadNative())?.at;

describe.each([
  { way: 'the C library', byDescriptor: true, withCalls: true },
  { way: '/proc/self/fd', byDescriptor: true, withCalls: false },
  { way: 'paths', byDescriptor: false, withCalls: true },
])('directories by way of $way', ({ byDescriptor, withCalls }) => {
  let before: number;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-directory-'));
    mkdirSync(join(home, 'root/sub'), { recursive: true });
    mkdirSync(join(home, 'outside'));
    writeFileSync(join(home, 'outside/secret'), 'secret');
    writeFileSync(join(home, 'root/file'), 'x');
    symlinkSync('../outside', join(home, 'root/link'));
    symlinkSync('sub', join(home, 'root/inner-link'));
    symlinkSync('root', join(home, 'alias'));
    before = openDescriptors();
    root = openDirectory(join(home, 'alias'), { byDescriptor, calls: () => (withCalls ? calls : undefined) });
  });
  afterEach(() => {
    root.close();
    root.close();
    expect(openDescriptors()).toBe(before);
    rmSync(home, { recursive: true });
  });

  it('a directory is opened through a symbolic link to it, and no child through one', () => {
    expect(readFileSync(root.at('file'), 'utf8')).toBe('x');
    expect(readFileSync(root.at(Buffer.from('file')), 'utf8')).toBe('x');
    for (const name of ['link', 'inner-link']) {
      expect(() => root.openChild(name)).toThrow(expect.objectContaining({ code: 'symlink-refused' }));
      expect(() => root.makeChild(name)).toThrow(expect.objectContaining({ code: 'symlink-refused' }));
    }
  });

  it('an error of a directory names the path that is in the way', () => {
    const failure = (code: string, name: string): Error =>
      expect.objectContaining({ code, message: expect.stringContaining(join('root', name)) });
    expect(() => root.openChild('file')).toThrow(failure('not-directory', 'file'));
    expect(() => root.openChild('none')).toThrow(failure('not-found', 'none'));
    expect(() => root.makeChild('file')).toThrow(failure('not-directory', 'file'));
    expect(() => openDirectory(join(home, 'none'))).toThrow(expect.objectContaining({ code: 'not-found' }));
    expect(() => openDirectory(join(home, 'root/file'))).toThrow(
      expect.objectContaining({ code: 'not-directory' }),
    );
  });

  it('a directory opens, makes and removes children, and none through a symbolic link', () => {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    closeSync(root.openFile('ünï', O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600));
    expect(statSync(join(home, 'root/ünï')).mode & 0o777).toBe(0o600);
    root.makeDirectory('made', 0o750);
    expect(statSync(join(home, 'root/made')).mode & 0o777).toBe(0o750 & ~process.umask());
    root.removeFile('ünï');
    root.removeFile('link');
    expect(existsSync(join(home, 'root/ünï'))).toBe(false);
    expect(existsSync(join(home, 'outside/secret'))).toBe(true);
    symlinkSync('../outside/secret', join(home, 'root/link'));
    const codes = [
      () => root.openFile('link', O_WRONLY | O_NOFOLLOW),
      () => root.openFile('none', O_WRONLY | O_NOFOLLOW),
      () => root.makeDirectory('sub', 0o700),
      () => root.removeFile('none'),
    ].map((call) => {
      try {
        return call();
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    });
    expect(codes).toEqual(['ELOOP', 'ENOENT', 'EEXIST', 'ENOENT']);
    for (const name of ['..', 'sub/x', '']) {
      const unsafe: Error = expect.objectContaining({ code: 'path-unsafe' });
      expect(() => root.openFile(name, O_WRONLY)).toThrow(unsafe);
      expect(() => root.makeDirectory(name, 0o700)).toThrow(unsafe);
      expect(() => root.removeFile(name)).toThrow(unsafe);
    }
  });

  it.each(['', '.', '..', 'a/b', '/', '../outside', 'a\0'])('a directory refuses %j as a name', (name) => {
    for (const bad of [name, Buffer.from(name)]) {
      expect(() => root.openChild(bad)).toThrow(expect.objectContaining({ code: 'path-unsafe' }));
    }
  });

  it('a held directory that is swapped for a symbolic link leads nowhere out of the root', () => {
    const sub = root.openChild('sub');
    renameSync(join(home, 'root/sub'), join(home, 'root/moved'));
    symlinkSync('../outside', join(home, 'root/sub'));
    if (byDescriptor) {
      writeFileSync(sub.at('new'), 'y');
      expect(existsSync(join(home, 'root/moved/new'))).toBe(true);
    } else {
      expect(() => sub.at('secret')).toThrow(expect.objectContaining({ code: 'symlink-refused' }));
    }
    expect(existsSync(join(home, 'outside/new'))).toBe(false);
    sub.close();
    expect(() => sub.at('x')).toThrow(expect.objectContaining({ code: 'internal' }));
  });

  it('a child directory is made with a mode, and opened where it exists', () => {
    root.makeChild('made', 0o700).close();
    const again = root.makeChild('made');
    again.sync();
    again.close();
    expect(statSync(join(home, 'root/made')).mode & 0o777).toBe(0o700);
  });

  it('a cursor opens each directory once', () => {
    const cursor = new DirectoryCursor(root, { create: true });
    const deep = cursor.enter('a/b/c');
    expect(cursor.enter('a/b/c')).toBe(deep);
    writeFileSync(deep.at('one'), '1');
    writeFileSync(cursor.enter('a/x').at('two'), '2');
    writeFileSync(cursor.enter('').at('three'), '3');
    expect(() => cursor.enter('link/x')).toThrow(expect.objectContaining({ code: 'symlink-refused' }));
    expect(() => cursor.enter('a/new/../..')).toThrow(expect.objectContaining({ code: 'path-unsafe' }));
    writeFileSync(cursor.enter('a/b').at('four'), '4');
    cursor.close();
    writeFileSync(cursor.enter('a/b').at('five'), '5');
    cursor.close();
    for (const path of ['a/b/c/one', 'a/x/two', 'three', 'a/b/four', 'a/b/five']) {
      expect(existsSync(join(home, 'root', path))).toBe(true);
    }
  });

  it.skipIf(process.platform !== 'linux')(
    'a cursor goes a deep path down and back up with few descriptors',
    () => {
      const cursor = new DirectoryCursor(root, { create: true });
      const pathOf = (depth: number): string =>
        Array.from({ length: depth }, (_, level) => `d${level}`).join('/');
      const descriptors = (): number => readdirSync('/proc/self/fd').length;
      const atFirst = descriptors();
      for (const depth of [200, 199, 150, 40, 1, 120]) {
        writeFileSync(cursor.enter(pathOf(depth)).at(`at-${depth}`), 'x');
        expect(descriptors() - atFirst).toBeLessThanOrEqual(33);
        expect(existsSync(join(home, 'root', pathOf(depth), `at-${depth}`))).toBe(true);
      }
      cursor.close();
      expect(descriptors()).toBe(atFirst);
    },
  );

  it.skipIf(process.getuid?.() !== 0)(
    'a directory that may only be searched leads to its children (needs root)',
    () => {
      for (const [path, mode] of [
        ['', 0o711],
        ['root', 0o711],
        ['root/sub', 0o711],
        ['root/closed', 0o700],
      ] as const) {
        mkdirSync(join(home, path), { recursive: true });
        chmodSync(join(home, path), mode);
      }
      writeFileSync(join(home, 'root/sub/f'), 'reached', { mode: 0o644 });
      process.seteuid?.(65_534);
      try {
        const way = openDirectory(join(home, 'root'));
        const sub = way.openChild('sub');
        expect(readFileSync(sub.at('f'), 'utf8')).toBe('reached');
        expect(() => readdirSync(sub.here())).toThrow('EACCES');
        sub.sync();
        sub.close();
        expect(() => way.openChild('closed')).toThrow(expect.objectContaining({ code: 'storage-denied' }));
        way.close();
      } finally {
        process.seteuid?.(0);
      }
    },
  );

  it('a cursor goes on after a step of it failed half-way', () => {
    const cursor = new DirectoryCursor(root);
    expect(() => cursor.enter('sub/none')).toThrow(expect.objectContaining({ code: 'not-found' }));
    mkdirSync(join(home, 'root/sub/none'));
    expect(cursor.enter('sub/none').displayPath).toContain(join('root', 'sub', 'none'));
    cursor.close();
  });
});
