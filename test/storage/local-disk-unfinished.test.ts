/** What was there stays as it was where a change of it ends in the middle. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDirectory } from '../../src/base/directory.ts';
import { loadNative } from '../../src/base/native.ts';
import type { Native } from '../../src/base/native.ts';
import { receiveChunk } from '../../src/transfer/chunk-transfer.ts';
import type { Publication } from '../../src/storage/disk/publish/publication.ts';
import { renameInto } from '../../src/storage/disk/publish/replace-type.ts';
import { moveTo } from '../../src/storage/disk/tree/tree-changes.ts';
import {
  begin,
  codeOf,
  digestOf,
  directory,
  expectedChunk,
  file,
  inPieces,
  noise,
  orderOf,
  stageAll,
  transferOf,
} from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { diskPlace } from './local-disk-fixtures.ts';

const native = await loadNative();
const ID = 'unfinished-of-these-tests';
const LARGE = 200_000;

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

it.each([true, false])(
  'directories that were made writable are closed again when publishing fails (native: %s)',
  async (useNative) => {
    const place = diskPlace();
    const closed = ['above', 'above/there', 'above/there/d'].map((path) => join(place.root, path));
    for (const path of closed) mkdirSync(path);
    for (const path of closed) chmodSync(path, 0o555);
    const store = await place.open({ useNative });
    const items = [
      directory(''),
      directory('d', { mode: 0o750 }),
      file('d/small', 'new'),
      file('large', LARGE),
    ];
    const transfer = transferOf(store, 'above/there', items);
    const { area, staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    const staged = join(place.root, '.cairn/staging', ID);
    unlinkSync(
      join(
        staged,
        readdirSync(staged).find((name) => /^e\d+$/.test(name))!,
      ),
    );
    expect(await codeOf(() => staging.publish(orderOf(transfer)))).toBe('chunks-missing');
    expect(closed.map(modeOf)).toEqual([0o555, 0o555, 0o555]);
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer));
    expect(closed.map(modeOf)).toEqual([0o555, 0o755, 0o750]);
    await staging.close();
    await area.discard();
    for (const path of closed) chmodSync(path, 0o755);
  },
);

it.skipIf(native === undefined)(
  'a directory that was moved aside is put back when the new entry cannot take its place',
  async () => {
    const home = temporaryDirectory();
    mkdirSync(join(home, 'root/x'), { recursive: true });
    mkdirSync(join(home, 'staging'));
    writeFileSync(join(home, 'root/x/child'), 'old');
    writeFileSync(join(home, 'staging/p0'), 'new');
    const folder = openDirectory(join(home, 'staging'));
    const root = openDirectory(join(home, 'root'));
    let fails = 0;
    const renameAt: Native['renameAt'] = (fromFd, from, toFd, to) => {
      if (from === 'p0' && !existsSync(join(home, 'root/x'))) {
        fails += 1;
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      }
      native!.renameAt(fromFd, from, toFd, to);
    };
    const publication = {
      native: { renameAt },
      folder,
      id: 'id',
      order: { forceReplace: true },
    } as unknown as Publication;
    const prepared = { entryIndex: 0, entry: file('x', 'new').entry };
    const from = { directory: folder, name: 'p0' };
    const attempt = renameInto(publication, prepared, from, { directory: root, name: 'x' });
    await expect(attempt).rejects.toMatchObject({ code: 'EIO' });
    expect(fails).toBe(1);
    expect(readFileSync(join(home, 'root/x/child'), 'utf8')).toBe('old');
    folder.close();
    root.close();
  },
);

it.skipIf(native?.renameNewAt === undefined)(
  'a move does not replace a file that is made at its new path at this very moment',
  async () => {
    const home = temporaryDirectory();
    writeFileSync(join(home, 'from'), 'mine');
    const root = openDirectory(home);
    const renameNewAt: NonNullable<Native['renameNewAt']> = (...to) => {
      writeFileSync(join(home, 'to'), 'theirs');
      return native!.renameNewAt!(...to);
    };
    const options = { replace: false, native: { renameNewAt } };
    expect(await codeOf(() => moveTo(root, 'from', 'to', options))).toBe('already-exists');
    expect(readFileSync(join(home, 'to'), 'utf8')).toBe('theirs');
    mkdirSync(join(home, 'd'));
    const intoItself = { replace: false, native: native };
    expect(await codeOf(() => moveTo(root, 'd', 'd/in', intoItself))).toBe('usage');
    moveTo(root, 'from', 'd/in', intoItself);
    expect(readdirSync(join(home, 'd'))).toEqual(['in']);
    root.close();
  },
);

it('a published file is not written into when its chunk comes again with other bytes', async () => {
  const place = diskPlace();
  const store = await place.open();
  const transfer = transferOf(store, 'there', [directory(''), file('large', LARGE)]);
  const { area, staging } = await begin(store, ID, transfer);
  await stageAll(staging, transfer);
  await staging.publish(orderOf(transfer, { existing: 'kept' }));
  const expected = expectedChunk(transfer, 0);
  const other = noise(expected.lengthBytes, 'other bytes');
  const source = inPieces(Buffer.concat([other, digestOf(transfer, other)]));
  expect(await codeOf(() => receiveChunk(source, staging, expected))).toBe('chunk-conflict');
  const published = readFileSync(join(place.root, 'there/large'));
  expect(published.equals(transfer.items[1]!.bytes)).toBe(true);
  await staging.close();
  await area.discard();
});
