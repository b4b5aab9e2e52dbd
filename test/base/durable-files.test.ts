import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  makeDirectory,
  createFileDurably,
  makePrivateDirectory,
  removeTemporaries,
  replaceFileDurably,
  syncDirectory,
  syncHandle,
  writeFully,
  writeFullySync,
} from '../../src/base/durable-files.ts';
import { removeTree } from '../../src/base/remove-tree.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-durable-'));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

/** A handle whose system takes at most `limit` bytes at a time. */
function stingy(handle: FileHandle, limit: number): FileHandle {
  const writev = async (buffers: readonly Uint8Array[], position: number) => {
    const bytes = Buffer.concat(buffers).subarray(0, limit);
    if (bytes.length > 0) await handle.write(bytes, 0, bytes.length, position);
    return { bytesWritten: bytes.length, buffers };
  };
  return { writev } as unknown as FileHandle;
}

it('writes everything, however little the system takes at a time', async () => {
  const handle = await open(join(home, 'f'), 'w+');
  const pieces = ['', 'abc', 'd', '', 'efgh', 'i'].map((text) => Buffer.from(text));
  expect(await writeFully(stingy(handle, 2), pieces, 3)).toBe(9);
  expect(await writeFully(handle, pieces, 12)).toBe(9);
  expect(await writeFully(handle, [], 0)).toBe(0);
  expect(writeFullySync(handle.fd, Buffer.from('XYZ'), 0)).toBe(3);
  await expect(writeFully(stingy(handle, 0), pieces, 0)).rejects.toMatchObject({ code: 'storage-io' });
  await syncHandle(handle, 'f');
  await handle.close();
  expect(readFileSync(join(home, 'f'), 'latin1')).toBe('XYZabcdefghiabcdefghi');
  await expect(syncHandle(handle, 'f')).rejects.toMatchObject({ name: 'CairnError' });
});

it('writes more buffers than one writev takes', async () => {
  const handle = await open(join(home, 'f'), 'w');
  await writeFully(
    handle,
    Array.from({ length: 5000 }, (_, index) => Buffer.from([index % 256])),
    0,
  );
  await handle.close();
  expect(readFileSync(join(home, 'f')).every((byte, index) => byte === index % 256)).toBe(true);
  expect(statSync(join(home, 'f')).size).toBe(5000);
});

it('replaces a file whole, with the mode asked for, and leaves nothing behind', async () => {
  const file = join(home, 'f');
  writeFileSync(file, 'old', { mode: 0o644 });
  await replaceFileDurably(file, 'new');
  expect(readFileSync(file, 'utf8')).toBe('new');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await replaceFileDurably(file, Buffer.from('newer'), 0o666);
  expect(statSync(file).mode & 0o777).toBe(0o666);
  expect(readdirSync(home)).toEqual(['f']);
});

it('leaves no temporary file when replacing fails', async () => {
  mkdirSync(join(home, 'd/x'), { recursive: true });
  await expect(replaceFileDurably(join(home, 'd'), 'x')).rejects.toMatchObject({ code: 'is-directory' });
  await expect(replaceFileDurably(join(home, 'none/f'), 'x')).rejects.toMatchObject({ code: 'storage-io' });
  expect(readdirSync(home)).toEqual(['d']);
});

it('removes the temporary files of killed processes, unless they are too young to be left over', async () => {
  const names = ['.cairn-00ff.tmp', '.cairn-0123.tmp', '.cairn-mine.tmp', 'f'];
  for (const name of names) writeFileSync(join(home, name), '');
  utimesSync(join(home, '.cairn-00ff.tmp'), 1, Date.now() / 1000 - 100);
  await removeTemporaries(join(home, 'none'), 0);
  await removeTemporaries(home, 60_000);
  expect(readdirSync(home).toSorted()).toEqual(['.cairn-0123.tmp', '.cairn-mine.tmp', 'f']);
  utimesSync(join(home, '.cairn-0123.tmp'), 1, Date.now() / 1000 + 100);
  await removeTemporaries(home, 0);
  expect(readdirSync(home).toSorted()).toEqual(['.cairn-mine.tmp', 'f']);
});

it('makes private directories and syncs them', async () => {
  await makePrivateDirectory(join(home, 'a/b/c'));
  await makePrivateDirectory(join(home, 'a/b/c'));
  for (const name of ['a', 'a/b', 'a/b/c']) expect(statSync(join(home, name)).mode & 0o777).toBe(0o700);
  await syncDirectory(join(home, 'a'));
  writeFileSync(join(home, 'f'), '');
  await expect(makePrivateDirectory(join(home, 'f'))).rejects.toMatchObject({ code: 'not-directory' });
  await expect(makePrivateDirectory(join(home, 'f/g'))).rejects.toMatchObject({ code: 'not-directory' });
  await expect(syncDirectory(join(home, 'f'))).rejects.toMatchObject({ code: 'not-directory' });
});

it('removes a tree, and symbolic links without what they point to', async () => {
  mkdirSync(join(home, 'keep'));
  writeFileSync(join(home, 'keep/f'), '');
  mkdirSync(join(home, 'tree/sub'), { recursive: true });
  symlinkSync('../../keep', join(home, 'tree/sub/link'));
  symlinkSync('keep', join(home, 'link'));
  await removeTree(join(home, 'tree'));
  await removeTree(join(home, 'link'));
  await removeTree(join(home, 'none'));
  expect(readdirSync(home)).toEqual(['keep']);
  expect(lstatSync(join(home, 'keep/f')).isFile()).toBe(true);
});

it('a directory that cannot be made is told by its true reason, on a read-only file system and below /proc', async () => {
  if (process.platform === 'linux')
    await expect(makePrivateDirectory('/proc/nope/deeper')).rejects.toMatchObject({ code: 'storage-io' });
  writeFileSync(join(home, 'file'), '');
  await expect(makePrivateDirectory(join(home, 'file', 'a'))).rejects.toMatchObject({
    code: 'not-directory',
  });
  await makePrivateDirectory(join(home, 'a', 'b', 'c'));
  expect(statSync(join(home, 'a', 'b', 'c')).mode & 0o777).toBe(0o700);
});

it('makes a directory while others remove it', async () => {
  const path = join(home, 'a', 'b');
  const others = new AbortController();
  const removing = (async () => {
    while (!others.signal.aborted) await rmdir(path).catch(() => undefined);
  })();
  for (let round = 0; round < 500; round += 1) {
    const outcome = await Promise.allSettled([makeDirectory(path), makeDirectory(path), makeDirectory(path)]);
    expect(outcome.filter(({ status }) => status === 'rejected')).toEqual([]);
  }
  others.abort();
  await removing;
});

it('makes a new file, and leaves alone what is there', async () => {
  const file = join(home, 'secret');
  await createFileDurably(file, 'new');
  expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['new', 0o600]);
  await expect(createFileDurably(file, 'other')).rejects.toMatchObject({ code: 'usage' });
  expect(readFileSync(file, 'utf8')).toBe('new');
});

/** Tries to make a file where no descriptor is left for it, and tells how that ends. */
const WITHOUT_DESCRIPTORS = `
import { openSync } from 'node:fs';
import { createFileDurably } from ${JSON.stringify(join(import.meta.dirname, '../../src/base/durable-files.ts'))};
try {
  for (;;) openSync('/dev/null');
} catch {}
const ended = await createFileDurably(process.argv[2], 'other').then(() => 'made', (error) => error.code);
process.stdout.write(ended);
`;

it('leaves a file alone of which it cannot tell that it is there', async () => {
  const program = join(home, 'program.mjs');
  await build({
    stdin: { contents: WITHOUT_DESCRIPTORS, resolveDir: home, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: program,
  });
  const file = join(home, 'secret');
  writeFileSync(file, 'precious');
  const script = 'ulimit -n 64; exec "$@"';
  const ended = spawnSync('sh', ['-c', script, 'sh', process.execPath, program, file], { encoding: 'utf8' });
  expect(ended.stdout).toBe('server-busy');
  expect(readFileSync(file, 'utf8')).toBe('precious');
});
