import { mkdirSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openDirectoryObjects } from '../../src/storage/objects/directory/directory-objects.ts';
import { createMemoryObjects } from '../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../src/storage/objects/object-store.ts';
import { cairn } from '../support/cli.ts';
import { startObjectStoreServer } from '../support/servers.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';

/** Requests to a store, by their kind; a list is one for each thousand keys, as services answer them. */
interface Counts {
  put: number;
  get: number;
  list: number;
  remove: number;
}

const KEYS_OF_A_LIST = 1000;

/** The same store, which counts. */
function counted(inner: ObjectStore): { objects: ObjectStore; counts: Counts; reset: () => void } {
  const counts: Counts = { put: 0, get: 0, list: 0, remove: 0 };
  const objects: ObjectStore = {
    ...inner,
    put: (...asked) => {
      counts.put += 1;
      return inner.put(...asked);
    },
    get: (...asked) => {
      counts.get += 1;
      return inner.get(...asked);
    },
    list: async function* (...asked) {
      let keys = 0;
      counts.list += 1;
      for await (const head of inner.list(...asked)) {
        keys += 1;
        if (keys % KEYS_OF_A_LIST === 0) counts.list += 1;
        yield head;
      }
    },
    remove: (keys) => {
      counts.remove += 1;
      return inner.remove(keys);
    },
  };
  const reset = (): void => void Object.assign(counts, { put: 0, get: 0, list: 0, remove: 0 });
  return { objects, counts, reset };
}

/** Directories of a hundred small files each, all of one time. */
function writeSmallFiles(count: number, sizeBytes: number): string {
  const source = temporaryDirectory();
  for (let index = 0; index < count; index += 1) {
    const directory = path.join(source, String(Math.floor(index / 100)));
    if (index % 100 === 0) mkdirSync(directory);
    const file = path.join(directory, `file ${index}`);
    writeFileSync(file, Buffer.alloc(sizeBytes, `${index} `));
    utimesSync(file, 1_600_000_000, 1_600_000_000);
  }
  return source;
}

async function startCounted(inner: ObjectStore) {
  const { objects, counts, reset } = counted(inner);
  const server = await startObjectStoreServer(async () => objects);
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  /** Runs a command over the target, and answers what it cost. */
  const run = async (...words: string[]): Promise<Counts> => {
    reset();
    const { exitCode } = await cairn(words, environment);
    expect(exitCode).toBe(0);
    return { ...counts };
  };
  const target = `${server.url}/target`;
  return {
    server,
    push: (source: string, ...words: string[]) => run('push', '--json', ...words, source, target),
    pull: (destination: string) => run('pull', '--json', target, destination),
  };
}

test('a push of 10,000 files of 4 KiB makes at most 80 puts, and a pull of them fewer than 200 requests', async () => {
  const { push, pull } = await startCounted(createMemoryObjects());
  const source = writeSmallFiles(10_000, 4096);
  const pushed = await push(source);
  expect(pushed.put).toBeLessThanOrEqual(80);
  expect(pushed.get + pushed.list).toBeLessThan(200);
  const destination = path.join(temporaryDirectory(), 'back');
  const pulled = await pull(destination);
  expect(pulled.put + pulled.get + pulled.list).toBeLessThan(200);
  expect(pictureOf(destination)).toEqual(pictureOf(source));
});

test('a second push of 100,000 unchanged files makes at most 30 requests, also after a restart of the server', async () => {
  const { push, server } = await startCounted(createMemoryObjects());
  const source = writeSmallFiles(100_000, 1);
  await push(source);
  await server.kill();
  await server.start();
  const { put, get, list, remove } = await push(source);
  expect(put + get + list + remove).toBeLessThanOrEqual(30);
});

test('a push of 1 GiB in chunks of 8 MiB, as it has them on a short line, makes at most 150 puts', async () => {
  const { push } = await startCounted(await openDirectoryObjects(path.join(temporaryDirectory(), 'objects')));
  const source = temporaryDirectory();
  writeFileSync(path.join(source, 'large'), 'large');
  truncateSync(path.join(source, 'large'), 1024 ** 3);
  expect((await push(source, '--chunk-size', '8M')).put).toBeLessThanOrEqual(150);
});
