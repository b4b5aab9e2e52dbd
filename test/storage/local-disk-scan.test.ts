import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDirectory } from '../../src/base/directory.ts';
import type { StatAt } from '../../src/base/file-stat.ts';
import { loadNative } from '../../src/base/native.ts';
import { comparePaths } from '../../src/base/safe-path.ts';
import type { ScanFilter } from '../../src/storage/disk/tree/scan-filter.ts';
import { scanTree } from '../../src/storage/disk/tree/scan.ts';
import { scanAll } from '../suites/expected-tree.ts';
import { codeOf, collect } from '../suites/staged-transfer.ts';
import { asNobody, diskPlace, openDescriptors } from './local-disk-fixtures.ts';

const linux = process.platform === 'linux';
const native = await loadNative();

describe('scanning a local disk', () => {
  it.runIf(linux)(
    'a scan reports names that are not UTF-8, and keeps one that has U+FFFD itself',
    async () => {
      const place = diskPlace();
      writeFileSync(join(place.root, '\ufffd'), 'fine');
      mkdirSync(join(place.root, 'd'));
      writeFileSync(Buffer.concat([Buffer.from(`${place.root}/d/b`), Buffer.from([0xff, 0x0a])]), '');
      symlinkSync(Buffer.from([0xfe]), join(place.root, 'link'));
      const { found, notices } = await scanAll(await place.open(), '');
      expect(found.map(({ entry }) => entry.path)).toEqual(['', 'd', '\ufffd']);
      expect(notices.map(({ code, path }) => [code, path])).toEqual([
        ['source-unsupported', 'd/b\\xff\\x0a'],
        ['source-unsupported', 'link'],
      ]);
    },
  );

  it.runIf(linux)('a scan leaves out FIFOs, sockets and reserved names, and says why', async () => {
    const place = diskPlace();
    execFileSync('mkfifo', [join(place.root, 'fifo')]);
    mkdirSync(join(place.root, 'd/.cairn'), { recursive: true });
    mkdirSync(join(place.root, '.cairn/staging/x'), { recursive: true });
    const server = createServer().listen(join(place.root, 'socket'));
    await new Promise((done) => server.once('listening', done));
    const store = await place.open();
    const { found, notices } = await scanAll(store, '');
    server.close();
    expect(found.map(({ entry }) => entry.path)).toEqual(['', 'd']);
    expect(notices.map(({ code, path }) => [code, path])).toEqual([
      ['path-reserved', 'd/.cairn'],
      ['source-unsupported', 'fifo'],
      ['source-unsupported', 'socket'],
    ]);
    expect(notices[1]?.message).toContain('FIFO');
    expect(await codeOf(() => scanAll(store, '.cairn/staging'))).toBe('path-reserved');
    expect(await codeOf(() => collect(store.read('fifo', { from: 0, to: 1 })))).toBe('source-unreadable');
    expect(await codeOf(() => store.lookup(['fifo']))).toBe('storage-unsupported');
  });

  it('a scan leaves out state of cairn without a notice, wherever it is', async () => {
    const place = diskPlace();
    mkdirSync(join(place.root, 'copy/.cairn/staging/x'), { recursive: true });
    mkdirSync(join(place.root, 'served/.cairn/sessions'), { recursive: true });
    mkdirSync(join(place.root, 'own/.cairn/notes'), { recursive: true });
    const { found, notices } = await scanAll(await place.open(), '');
    expect(found.map(({ entry }) => entry.path)).toEqual(['', 'copy', 'own', 'served']);
    expect(notices.map(({ path }) => path)).toEqual(['own/.cairn']);
  });

  describe('filters', () => {
    const scanWith = async (
      root: string,
      filter: ScanFilter,
    ): Promise<{ paths: string[]; notices: string[] }> => {
      const notices: string[] = [];
      const paths: string[] = [];
      const directory = openDirectory(root);
      const onNotice = ({ path }: { path: string }): void => void notices.push(path);
      for await (const batch of scanTree(directory, '', { onNotice, filter }))
        paths.push(...batch.map(({ entry }) => entry.path));
      directory.close();
      return { paths, notices };
    };

    it('a scan neither enters nor names a directory that its filter does not select', async () => {
      const { root } = diskPlace();
      mkdirSync(join(root, 'out/deep'), { recursive: true });
      mkdirSync(join(root, 'own/.cairn'), { recursive: true });
      execFileSync('mkfifo', [join(root, 'pipe')]);
      writeFileSync(join(root, 'in'), 'x');
      const asked: string[] = [];
      const entered: string[] = [];
      const selects: ScanFilter['selects'] = ({ path, type }) => {
        asked.push(`${type} ${path}`);
        return !['out', 'pipe', 'own/.cairn'].includes(path);
      };
      const namesIn: ScanFilter['namesIn'] = ({ path, names }) => {
        entered.push(path);
        return names;
      };
      const { paths, notices } = await scanWith(root, { selects, namesIn });
      expect({ paths, notices }).toEqual({ paths: ['', 'in', 'own'], notices: [] });
      expect(entered).toEqual(['', 'own']);
      expect(asked).toEqual([
        'file in',
        'directory out',
        'directory own',
        'directory own/.cairn',
        'file pipe',
      ]);
    });

    it('a scan looks at no other names than those that its filter leaves', async () => {
      const { root } = diskPlace();
      for (const name of ['a', 'b', 'c']) writeFileSync(join(root, name), name);
      const namesIn: ScanFilter['namesIn'] = ({ names, read }) =>
        names.filter((name) => Buffer.from(read(name, 9)).toString() !== 'b');
      const { paths } = await scanWith(root, { selects: undefined, namesIn });
      expect(paths).toEqual(['', 'a', 'c']);
    });

    it('a scan reads no link, no directory and no pipe for a filter', async () => {
      const { root } = diskPlace();
      mkdirSync(join(root, 'directory'));
      execFileSync('mkfifo', [join(root, 'pipe')]);
      symlinkSync('/etc/hostname', join(root, 'link'));
      const failed: string[] = [];
      const namesIn: ScanFilter['namesIn'] = ({ names, read }) => {
        for (const name of names)
          try {
            read(name, 1);
          } catch {
            failed.push(name);
          }
        return [];
      };
      await scanWith(root, { selects: undefined, namesIn });
      expect(failed).toEqual(['directory', 'link', 'pipe']);
    });
  });

  it('a scan keeps an unreadable directory as an entry, and says that its content is missing', async () => {
    const place = diskPlace();
    mkdirSync(join(place.root, 'closed'));
    writeFileSync(join(place.root, 'closed/file'), '');
    writeFileSync(join(place.root, 'last'), '');
    chmodSync(join(place.root, 'closed'), 0);
    const store = await place.open();
    const { found, notices } = await asNobody(place.root, () => scanAll(store, ''));
    expect(found.map(({ entry }) => entry.path)).toEqual(['', 'closed', 'last']);
    expect(notices.map(({ code, path }) => [code, path])).toEqual([['source-unreadable', 'closed']]);
  });

  it.runIf(native?.statAt !== undefined)(
    'a scan goes on when an empty file goes away while it is looked at',
    async () => {
      const place = diskPlace();
      for (let n = 0; n < 600; n += 1) writeFileSync(join(place.root, `f${n}`), '');
      const root = openDirectory(place.root);
      const statAt: StatAt = (fd, name) => {
        const found = native!.statAt!(fd, name);
        if (name === 'f98') unlinkSync(join(place.root, name));
        return found;
      };
      const notices: [string, string][] = [];
      const onNotice = ({ code, path }: { code: string; path: string }): void =>
        void notices.push([code, path]);
      let entries = 0;
      for await (const batch of scanTree(root, '', { onNotice, loadStatAt: async () => statAt }))
        entries += batch.length;
      root.close();
      expect([entries, notices]).toEqual([600, [['source-changed', 'f98']]]);
    },
  );

  it('a scan of a symbolic link shows that link as its one entry', async () => {
    const place = diskPlace();
    symlinkSync('nowhere', join(place.root, 'link'));
    const { found } = await scanAll(await place.open(), 'link');
    expect(found.map(({ entry }) => [entry.type, entry.path, entry.linkTarget])).toEqual([
      ['symlink', '', 'nowhere'],
    ]);
  });

  it('a scan gives 5,000 entries in canonical order, in batches, and closes what it opened', async () => {
    const place = diskPlace();
    for (let d = 0; d < 5; d += 1) {
      mkdirSync(join(place.root, `d${d}`));
      for (let n = 0; n < 1000; n += 1) linkOrWrite(place.root, `d${d}/${n}`);
    }
    const store = await place.open();
    const before = openDescriptors();
    const paths: string[] = [];
    let batches = 0;
    for await (const batch of store.scan('', { onNotice: () => {} })) {
      batches += 1;
      paths.push(...batch.map(({ entry }) => entry.path));
    }
    expect(batches).toBeGreaterThan(5);
    expect(paths).toHaveLength(5006);
    expect(paths).toEqual(paths.toSorted(comparePaths));
    for await (const batch of store.scan('', { onNotice: () => {} })) if (batch.length > 0) break;
    expect(openDescriptors()).toBe(before);
  });

  it('a scan goes on when a directory goes away in the middle', async () => {
    const place = diskPlace();
    for (let n = 0; n < 1000; n += 1) linkOrWrite(place.root, `a${n}`);
    mkdirSync(join(place.root, 'z'));
    writeFileSync(join(place.root, 'z/file'), '');
    const store = await place.open();
    const notices: string[] = [];
    let moved = false;
    for await (const _batch of store.scan('', {
      onNotice: ({ code, path }) => notices.push(`${code} ${path}`),
    })) {
      if (!moved) renameSync(join(place.root, 'z'), join(place.outside, 'z'));
      moved = true;
    }
    expect(notices).toEqual(['source-changed z']);
  });
});

describe('reading a local disk', () => {
  it('a read finds a file anew after its directory was moved and made again', async () => {
    const place = diskPlace();
    const store = await place.open();
    const read = (identity?: string): Promise<Buffer> =>
      collect(store.read('d/f', { from: 0, to: 3 }, identity));
    mkdirSync(join(place.root, 'd'));
    writeFileSync(join(place.root, 'd/f'), 'old');
    const [found] = await store.lookup(['d/f']);
    expect((await read(found?.identity)).toString()).toBe('old');
    renameSync(join(place.root, 'd'), join(place.root, 'e'));
    mkdirSync(join(place.root, 'd'));
    writeFileSync(join(place.root, 'd/f'), 'new');
    expect((await read()).toString()).toBe('new');
  });

  it('a read notices a file that grows meanwhile, and one that was swapped for a symbolic link', async () => {
    const place = diskPlace();
    const store = await place.open();
    writeFileSync(join(place.root, 'f'), Buffer.alloc(3 * 1024 * 1024));
    const [found] = await store.lookup(['f']);
    const range = { from: 0, to: 3 * 1024 * 1024 };
    const code = await codeOf(async () => {
      for await (const _piece of store.read('f', range, found?.identity)) {
        writeFileSync(join(place.root, 'f'), 'x', { flag: 'a' });
      }
    });
    expect(code).toBe('source-changed');
    renameSync(join(place.root, 'f'), join(place.outside, 'f'));
    symlinkSync(join(place.outside, 'f'), join(place.root, 'f'));
    expect(await codeOf(() => collect(store.read('f', range, found?.identity)))).toBe('source-changed');
    expect(await codeOf(() => collect(store.read('f', range)))).toBe('symlink-refused');
  });

  it('a read closes its file when the reader stops early', async () => {
    const place = diskPlace();
    const store = await place.open();
    writeFileSync(join(place.root, 'f'), Buffer.alloc(5 * 1024 * 1024));
    await store.lookup(['f']);
    const before = openDescriptors();
    for await (const piece of store.read('f', { from: 0, to: 5 * 1024 * 1024 })) if (piece.length > 0) break;
    expect(openDescriptors()).toBe(before);
  });
});

/** Many names of one file are quicker to make than many files. */
function linkOrWrite(root: string, name: string): void {
  const first = join(root, '..', 'outside', 'first');
  writeFileSync(first, '');
  linkSync(first, join(root, name));
}
