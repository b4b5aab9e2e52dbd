import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Entry } from '../../src/manifest/entry.ts';
import type { EntryList } from '../../src/manifest/entry-table.ts';
import { expectTree } from '../suites/expected-tree.ts';
import {
  begin,
  codeOf,
  directory,
  file,
  orderOf,
  putTree,
  stageAll,
  symlink,
  transferOf,
  type Item,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { asNobody, diskPlace, hasSyncFileSystem, openDescriptors } from './local-disk-fixtures.ts';

const ID = 'disk-publish';
const SIZE = 64 * 1024;
const MTIME_NS = 1_600_000_000_123_456_789n;

function tree(): Item[] {
  return [
    directory('', { mtimeNs: MTIME_NS }),
    directory('d', { mode: 0o555, mtimeNs: MTIME_NS + 1n }),
    file('d/large', 2 * SIZE + 5, { mode: 0o444, mtimeNs: MTIME_NS + 2n }),
    file('d/secret', SIZE, { mode: 0o200 }),
    file('d/small', 100, { mode: 0o400, mtimeNs: -5n }),
    file('empty', '', { mode: 0o604 }),
    symlink('link', 'd'),
    ...Array.from({ length: 20 }, (_, n) => file(`s${n}`, 5000 + n)),
  ];
}

describe.each([true, false])('publishing on a local disk (native: %s)', (useNative) => {
  it('publishing keeps modes and times as exactly as the store says', async () => {
    const place = diskPlace();
    const before = openDescriptors();
    const store = await place.open({ useNative });
    await putTree(store, 'deep/t', tree());
    await expectTree(store, 'deep/t', tree());
    if (store.properties.mtimeResolutionNs === 1n) {
      expect(lstatSync(join(place.root, 'deep/t/d'), { bigint: true }).mtimeNs).toBe(MTIME_NS + 1n);
    }
    expect(readdirSync(place.root)).toEqual(['deep']);
    await store.close();
    expect(openDescriptors()).toBe(before);
  });

  it('a user who is not root can publish over an own read-only tree', async () => {
    const place = diskPlace();
    await asNobody(place.root, async () => {
      const store = await place.open({ useNative });
      await putTree(store, 't', tree());
      const changed = [...tree().filter(({ entry }) => entry.path !== 'd/small'), file('d/small', 'other')];
      await putTree(store, 't', changed);
      expect(statSync(join(place.root, 't/d')).mode & 0o777).toBe(0o555);
      expect(readFileSync(join(place.root, 't/d/small'), 'utf8')).toBe('other');
    });
  });

  it('publishing a read-only tree into the root itself leaves no state behind', async () => {
    const place = diskPlace();
    const items = [directory('', { mode: 0o555, mtimeNs: MTIME_NS }), file('f', 'x')];
    await asNobody(place.root, async () => putTree(await place.open({ useNative }), '', items));
    expect(readdirSync(place.root)).toEqual(['f']);
    await expectTree(await place.open({ useNative }), '', items);
  });

  it('publishing finishes after a crash at every entry of every step, and shows no file torn meanwhile', async () => {
    const place = diskPlace();
    const items = tree();
    const sample = await place.open({ useNative });
    await putTree(sample, 't', [directory(''), file('s3', 'old'), file('s4', 'old'), file('empty', 'old')]);
    const transfer = transferOf(sample, 't', items);
    const { staging } = await begin(sample, ID, transfer);
    await stageAll(staging, transfer);
    await sample.close();
    const descriptors = openDescriptors();
    let done = false;
    for (let crashAt = 1; !done; crashAt += useNative ? 1 : 7) {
      const store = await place.open({ useNative });
      const again = await begin(store, ID, withCrash(transfer, crashAt));
      done = (await codeOf(() => again.staging.publish(orderOf(transfer)))) === 'done';
      await store.close();
      expect(openDescriptors()).toBe(descriptors);
      for (const { entry, bytes } of items) {
        const path = join(place.root, 't', entry.path);
        if (entry.type !== 'file' || !existsSync(path)) continue;
        const content = readFileSync(path);
        expect(content.equals(bytes) || content.toString() === 'old').toBe(true);
      }
    }
    await expectTree(await place.open({ useNative }), 't', items);
  });

  it('a store says whether it can make all that is there durable at once', async () => {
    const before = openDescriptors();
    const store = await diskPlace().open({ useNative });
    await putTree(store, 't', tree());
    const opened = openDescriptors();
    expect(await store.settle()).toBe(useNative && hasSyncFileSystem);
    expect(openDescriptors()).toBe(opened);
    await store.close();
    expect(openDescriptors()).toBe(before);
  });

  it('publishing removes what a crash left where it prepares files', async () => {
    const place = diskPlace();
    const store = await place.open({ useNative });
    const transfer = transferOf(store, 't', tree());
    const { area, staging } = await begin(store, ID, transfer);
    const folder = join(place.root, '.cairn/staging', ID);
    for (let index = 0; index < transfer.manifest.entries.length; index += 1) {
      if (index % 2 === 0) writeFileSync(join(folder, `p${index}`), 'a leftover', { mode: 0o400 });
      else symlinkSync(place.outside, join(folder, `p${index}`));
    }
    await stageAll(staging, transfer);
    chmodSync(join(folder, 'e2'), 0);
    await staging.publish(orderOf(transfer));
    await area.discard();
    await expectTree(store, 't', tree());
  });

  it('publishing 20,000 small files lets others have the event loop meanwhile', async () => {
    const place = diskPlace();
    const store = await place.open({ useNative });
    const count = useNative ? 20_000 : 1000;
    const items = [directory(''), ...Array.from({ length: count }, (_, n) => file(`f${n}`, `number ${n}`))];
    const transfer = transferOf(store, 't', items);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await staging.publish(orderOf(transfer));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
    expect(readdirSync(join(place.root, 't'))).toHaveLength(count);
    expect(readFileSync(join(place.root, `t/f${count - 1}`), 'utf8')).toBe(`number ${count - 1}`);
  });

  it('publishing works onto another file system below the root', async (context) => {
    const place = diskPlace();
    mkdirSync(join(place.root, 'mount'));
    if (!mountTmpfs(join(place.root, 'mount'))) context.skip('this machine lets nobody mount a tmpfs');
    const store = await place.open({ useNative });
    mkdirSync(join(place.root, 'mount/t'));
    writeFileSync(join(place.root, `mount/t/.cairn-putTreeputTreeputTreeA-5.tmp`), 'a leftover');
    await putTree(store, 'mount/t', tree());
    await expectTree(store, 'mount/t', tree());
    expect(readdirSync(join(place.root, 'mount/t')).filter((name) => name.startsWith('.cairn'))).toEqual([]);
  });
});

describe('publishing on a local disk that others change', () => {
  it('publishing does not follow a directory that is swapped for a symbolic link', async () => {
    const place = diskPlace();
    const store = await place.open();
    mkdirSync(join(place.root, 't/d'), { recursive: true });
    const transfer = transferOf(store, 't', [directory(''), directory('d'), file('d/f', 'x')]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    renameSync(join(place.root, 't/d'), join(place.root, 't/gone'));
    symlinkSync(place.outside, join(place.root, 't/d'));
    expect(await codeOf(() => staging.publish(orderOf(transfer)))).toBe('symlink-refused');
    expect(readdirSync(place.outside)).toEqual([]);
    await staging.publish(orderOf(transfer, { forceReplace: true }));
    expect(readdirSync(place.outside)).toEqual([]);
    expect(readFileSync(join(place.root, 't/d/f'), 'utf8')).toBe('x');
  });

  it('publishing does not follow a target directory that is swapped in the middle', async () => {
    const place = diskPlace();
    for (const name of ['a', 'z']) mkdirSync(join(place.root, 't', name), { recursive: true });
    const store = await place.open();
    const items = [
      directory(''),
      directory('a'),
      directory('z'),
      ...Array.from({ length: 2100 }, (_, n) => file(`a/${n}`, 'x')),
      file('z/f', 'x'),
    ];
    const transfer = transferOf(store, 't', items);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    let swapped = false;
    const onProgress = (): void => {
      if (swapped) return;
      swapped = true;
      renameSync(join(place.root, 't/z'), join(place.root, 't/gone'));
      symlinkSync(place.outside, join(place.root, 't/z'));
    };
    const code = await codeOf(() => staging.publish(orderOf(transfer, { onProgress })));
    expect([code, swapped]).toEqual(['symlink-refused', true]);
    expect(readdirSync(place.outside)).toEqual([]);
  });

  it('publishing replaces a symbolic link at a final path, and leaves what that points to', async () => {
    const place = diskPlace();
    writeFileSync(join(place.outside, 'precious'), 'precious');
    mkdirSync(join(place.root, 't'));
    symlinkSync(join(place.outside, 'precious'), join(place.root, 't/f'));
    const store = await place.open();
    await putTree(store, 't', [directory(''), file('f', 2 * SIZE)]);
    expect(lstatSync(join(place.root, 't/f')).isFile()).toBe(true);
    expect(readFileSync(join(place.outside, 'precious'), 'utf8')).toBe('precious');
  });

  it('publishing does not set attributes through a symbolic link', async () => {
    const place = diskPlace();
    writeFileSync(join(place.outside, 'precious'), 'x', { mode: 0o640 });
    mkdirSync(join(place.root, 't'));
    symlinkSync(join(place.outside, 'precious'), join(place.root, 't/f'));
    const store = await place.open();
    const transfer = transferOf(store, 't', [directory(''), file('f', 'x', { mode: 0o777 })], {
      isPresent: () => true,
    });
    const { staging } = await begin(store, ID, transfer);
    const order = orderOf(transfer, { isPresent: () => true, needsAttributes: () => true });
    expect(await codeOf(() => staging.publish(order))).toBe('symlink-refused');
    expect(statSync(join(place.outside, 'precious')).mode & 0o777).toBe(0o640);
  });

  it('publishing does not take a file that was there before for one that it has published', async () => {
    const place = diskPlace();
    const store = await place.open();
    const items = [directory(''), file('f', 2 * SIZE)];
    await putTree(store, 't', items);
    const other = file('f', 2 * SIZE);
    other.bytes.fill(7);
    const transfer = transferOf(store, 't', [directory(''), other]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer));
    expect(readFileSync(join(place.root, 't/f')).equals(other.bytes)).toBe(true);
  });

  it('publishing refuses before any change when a chunk is missing', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [directory(''), file('f', 2 * SIZE), file('g', 'x')]);
    const { staging } = await begin(store, ID, transfer);
    expect(await codeOf(() => staging.publish(orderOf(transfer)))).toBe('chunks-missing');
    expect(existsSync(join(place.root, 't'))).toBe(false);
  });
});

/** The same transfer, whose entries let the power go when their paths have been asked for so many times. */
function withCrash(transfer: SampleTransfer, crashAt: number): SampleTransfer {
  let left = crashAt;
  const { entries } = transfer.manifest;
  const pathOf = (index: number): string => {
    left -= 1;
    if (left === 0) throw new Error('the power went');
    return entries.pathOf(index);
  };
  const at = (index: number): Entry | undefined => {
    const entry = entries.at(index);
    const path = (): string => pathOf(index);
    return entry === undefined ? undefined : Object.defineProperty({ ...entry }, 'path', { get: path });
  };
  const crashing: EntryList = {
    length: entries.length,
    at,
    slice: (from, to) => entries.slice(from, to),
    pathOf,
    sizeOf: (index) => entries.sizeOf(index),
    typeOf: (index) => entries.typeOf(index),
    linkTargetOf: (index) => entries.linkTargetOf(index),
    *[Symbol.iterator]() {
      for (let index = 0; index < entries.length; index += 1) yield at(index)!;
    },
  };
  return { ...transfer, manifest: { ...transfer.manifest, entries: crashing } };
}

function mountTmpfs(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return false;
  }
  onTestFinished(() => void execFileSync('umount', ['-l', path]));
  return true;
}
