/** The simulated disk is as good as what is built on it: it answers as a real one does, and loses what a real one may. */
import * as fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/trees.ts';
import type { FileNode } from './disk/inode.ts';
import { createChance, type Chance } from './random.ts';
import type { SystemFiles } from './system/system-files.ts';
import { World } from './world.ts';

const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
const NAMES = ['a', 'b', 'd', 'd/a', 'd/e', 'd/e/f', 'l'];

/** The calls of which both have to say the same. */
interface Calls {
  write(path: string, at: number, bytes: Buffer, flags: number): void;
  truncate(path: string, size: number): void;
  rename(from: string, to: string): void;
  link(from: string, to: string): void;
  unlink(path: string): void;
  mkdir(path: string): void;
  rmdir(path: string): void;
  symlink(target: string, path: string): void;
  look(path: string): unknown;
}

function realCalls(root: string): Calls {
  const at = (name: string): string => path.join(root, name);
  const opened = (name: string, flags: number, work: (fd: number) => void): void => {
    const fd = fs.openSync(at(name), flags);
    try {
      work(fd);
    } finally {
      fs.closeSync(fd);
    }
  };
  return {
    write: (name, position, bytes, flags) =>
      opened(name, flags, (fd) => void fs.writeSync(fd, bytes, 0, bytes.length, position)),
    truncate: (name, size) => opened(name, O_RDWR, (fd) => fs.ftruncateSync(fd, size)),
    rename: (from, to) => fs.renameSync(at(from), at(to)),
    link: (from, to) => fs.linkSync(at(from), at(to)),
    unlink: (name) => fs.unlinkSync(at(name)),
    mkdir: (name) => fs.mkdirSync(at(name)),
    rmdir: (name) => fs.rmdirSync(at(name)),
    symlink: (target, name) => fs.symlinkSync(target, at(name)),
    look: (name) => {
      const stat = fs.lstatSync(at(name));
      if (stat.isSymbolicLink()) return fs.readlinkSync(at(name));
      return stat.isDirectory()
        ? fs.readdirSync(at(name)).toSorted(compare)
        : fs.readFileSync(at(name), 'hex');
    },
  };
}

function simulatedCalls(files: SystemFiles): Calls {
  const at = (name: string): string => `/home/${name}`;
  const opened = (name: string, flags: number, work: (fd: number) => void): void => {
    const fd = files.open(at(name), flags);
    try {
      work(fd);
    } finally {
      files.close(fd);
    }
  };
  const writeAll = (fd: number, bytes: Buffer, position: number): void => {
    for (let done = 0; done < bytes.length;) done += files.write(fd, bytes.subarray(done), position + done);
  };
  return {
    write: (name, position, bytes, flags) => opened(name, flags, (fd) => writeAll(fd, bytes, position)),
    truncate: (name, size) => opened(name, O_RDWR, (fd) => files.truncate(fd, size)),
    rename: (from, to) => files.rename(at(from), at(to)),
    link: (from, to) => files.link(at(from), at(to)),
    unlink: (name) => files.unlink(at(name)),
    mkdir: (name) => files.makeDirectory(at(name)),
    rmdir: (name) => files.removeDirectory(at(name)),
    symlink: (target, name) => files.makeLink(target, at(name)),
    look: (name) => {
      const stat = files.stat(at(name), { follow: false, bigint: false });
      if (stat === undefined) throw Object.assign(new Error('none'), { code: 'ENOENT' });
      if (stat.isSymbolicLink()) return files.linkTarget(at(name));
      if (stat.isDirectory()) return files.names(at(name)).toSorted(compare);
      const fd = files.open(at(name), O_RDWR);
      const bytes = files.readWhole(fd);
      files.close(fd);
      return bytes.toString('hex');
    },
  };
}

const compare = (a: string, b: string): number => (a < b ? -1 : 1);

function drawCall(chance: Chance): (calls: Calls) => unknown {
  const [one, other] = [chance.pick(NAMES), chance.pick(NAMES)];
  const folder = chance.pick(['d', 'd/e', 'l']);
  const bytes = chance.bytes(chance.int(1, 20));
  const [at, size] = [chance.int(0, 30), chance.int(0, 30)];
  return chance.pick<(calls: Calls) => unknown>([
    (calls) => calls.write(one, at, bytes, O_RDWR | O_CREAT),
    (calls) => calls.write(one, at, bytes, O_RDWR | O_CREAT | O_EXCL),
    (calls) => calls.truncate(one, size),
    (calls) => calls.unlink(one),
    (calls) => calls.mkdir(folder),
    (calls) => calls.rmdir(one),
    (calls) => calls.mkdir('d'),
    (calls) => calls.symlink('a', 'l'),
    (calls) => calls.look(one),
    // Directories are never renamed or linked by cairn, and are not here.
    (calls) => calls.rename('a', other === 'd' ? 'b' : other),
    (calls) => calls.link('b', other),
  ]);
}

function outcomeOf(call: (calls: Calls) => unknown, calls: Calls): unknown {
  try {
    return call(calls) ?? 'done';
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

function openWorld(seed: number): { world: World; files: SystemFiles } {
  const world = new World(seed);
  return { world, files: world.spawn(world.clients[0], 'test').files };
}

function fileAt(world: World, name: string): FileNode | undefined {
  const node = world.clients[0].disk.find(`/home/${name}`);
  return node?.type === 'file' ? node : undefined;
}

describe('the simulated disk', () => {
  it('answers as the real one does', () => {
    for (let seed = 0; seed < 60; seed += 1) {
      const root = temporaryDirectory();
      for (const name of ['state', 'landing', 'source']) fs.mkdirSync(path.join(root, name));
      const { files } = openWorld(seed);
      const [real, simulated] = [realCalls(root), simulatedCalls(files)];
      const chance = createChance(seed);
      for (let step = 0; step < 60; step += 1) {
        const call = drawCall(chance);
        expect([seed, step, outcomeOf(call, simulated)]).toEqual([seed, step, outcomeOf(call, real)]);
      }
    }
  });

  it('keeps through a power cut what was synced, and of the rest anything or nothing', () => {
    const left = new Set<string>();
    for (let seed = 0; seed < 200; seed += 1) {
      const { world, files } = openWorld(seed);
      const fd = files.open('/home/file', O_RDWR | O_CREAT);
      for (let done = 0; done < 4;) done += files.write(fd, Buffer.from('safe').subarray(done), done);
      files.sync(fd, 'data');
      files.sync(files.open('/home'), 'all');
      for (let done = 0; done < 4;) done += files.write(fd, Buffer.from('lost').subarray(done), 4 + done);
      world.clients[0].cutPower();
      const bytes = fileAt(world, 'file')?.bytes.toString('latin1') ?? 'gone';
      expect(bytes.slice(0, 4)).toBe('safe');
      left.add(bytes.slice(4));
    }
    expect([...left]).toEqual(expect.arrayContaining(['', 'lost', 'l', 'lo', 'los']));
  });

  it('forgets names whose directory was not synced, and renames wholly or not at all', () => {
    const left = new Set<string>();
    for (let seed = 0; seed < 100; seed += 1) {
      const { world, files } = openWorld(seed);
      const calls = simulatedCalls(files);
      calls.write('old', 0, Buffer.from('o'), O_RDWR | O_CREAT);
      files.sync(files.open('/home'), 'all');
      calls.write('new', 0, Buffer.from('n'), O_RDWR | O_CREAT);
      calls.rename('old', 'renamed');
      world.clients[0].cutPower();
      left.add(['old', 'new', 'renamed'].filter((name) => fileAt(world, name) !== undefined).join(' '));
    }
    expect([...left].toSorted(compare)).toEqual(['new renamed', 'old', 'old new', 'renamed']);
  });

  it('says after a failed sync that all is well, and it is not', () => {
    const lost = Array.from({ length: 50 }, (_, seed) => {
      const { world, files } = openWorld(seed);
      const fd = files.open('/home/file', O_RDWR | O_CREAT);
      files.write(fd, Buffer.from('x'), 0);
      files.sync(files.open('/home'), 'all');
      world.clients[0].trouble.failingSyncs = 1;
      expect(() => files.sync(fd, 'data')).toThrow('EIO');
      files.sync(fd, 'data');
      world.clients[0].cutPower();
      return fileAt(world, 'file')?.size === 0;
    });
    expect(lost).toContain(true);
  });
});
