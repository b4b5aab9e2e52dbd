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

it('a write takes all bytes, however few the system takes at a time', async () => {
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

it('a write takes more buffers than one writev does', async () => {
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

it('a file is replaced whole, with the mode asked for, and nothing is left behind', async () => {
  const file = join(home, 'f');
  writeFileSync(file, 'old', { mode: 0o644 });
  await replaceFileDurably(file, 'new');
  expect(readFileSync(file, 'utf8')).toBe('new');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await replaceFileDurably(file, Buffer.from('newer'), 0o666);
  expect(statSync(file).mode & 0o777).toBe(0o666);
  expect(readdirSync(home)).toEqual(['f']);
});

it('a replacement that fails leaves no temporary file', async () => {
  mkdirSync(join(home, 'd/x'), { recursive: true });
  await expect(replaceFileDurably(join(home, 'd'), 'x')).rejects.toMatchObject({ code: 'is-directory' });
  await expect(replaceFileDurably(join(home, 'none/f'), 'x')).rejects.toMatchObject({ code: 'storage-io' });
  expect(readdirSync(home)).toEqual(['d']);
});

it('temporary files of killed processes are removed, unless they are too young to be left over', async () => {
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

it('private directories are made with mode 700, and not below a file', async () => {
  await makePrivateDirectory(join(home, 'a/b/c'));
  await makePrivateDirectory(join(home, 'a/b/c'));
  for (const name of ['a', 'a/b', 'a/b/c']) expect(statSync(join(home, name)).mode & 0o777).toBe(0o700);
  await syncDirectory(join(home, 'a'));
  writeFileSync(join(home, 'f'), '');
  await expect(makePrivateDirectory(join(home, 'f'))).rejects.toMatchObject({ code: 'not-directory' });
  await expect(makePrivateDirectory(join(home, 'f/g'))).rejects.toMatchObject({ code: 'not-directory' });
  await expect(syncDirectory(join(home, 'f'))).rejects.toMatchObject({ code: 'not-directory' });
});

it('a tree is removed without what its symbolic links point to', async () => {
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

it('a directory that cannot be made below /proc or below a file fails with its true reason', async () => {
  if (process.platform === 'linux')
    await expect(makePrivateDirectory('/proc/nope/deeper')).rejects.toMatchObject({ code: 'storage-io' });
  writeFileSync(join(home, 'file'), '');
  await expect(makePrivateDirectory(join(home, 'file', 'a'))).rejects.toMatchObject({
    code: 'not-directory',
  });
  await makePrivateDirectory(join(home, 'a', 'b', 'c'));
  expect(statSync(join(home, 'a', 'b', 'c')).mode & 0o777).toBe(0o700);
});

it('a directory is made while others remove it', async () => {
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

it('a new file is made, and an existing one is left alone', async () => {
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

it('a file is left alone when the system cannot tell whether it exists', async () => {
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
