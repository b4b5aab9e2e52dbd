/** Documents in a staging folder: written and read as streams, replaced whole. */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory, writeFully } from '../../base/durable-files.ts';
import { storageError, systemCodeOf } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { DocumentName } from '../content-store.ts';

/** Text of more than twice as much would be a large object, which V8 frees late. */
const READ_BYTES = 64 * 1024;
/** Bytes collected before they are written together; one string of so much would be work for V8's collector. */
const WRITE_BYTES = 512 * 1024;

/** Replaces a document of the folder at `directory`, durably and atomically. @throws CairnError, storage codes */
export async function saveDocument(
  directory: string,
  name: DocumentName,
  text: Iterable<string>,
): Promise<void> {
  const temporary = join(directory, `${name}-${randomBytes(6).toString('hex')}.tmp`);
  const doing = `writing "${printable(join(directory, name))}"`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await writeText(handle, text);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(temporary, join(directory, name));
  } catch (error) {
    // What is left of it goes with the staging area.
    await unlink(temporary).catch(() => undefined);
    throw storageError(error, doing);
  }
  await syncDirectory(directory);
}

async function writeText(handle: FileHandle, text: Iterable<string>): Promise<void> {
  let position = 0;
  let batch: Buffer[] = [];
  let batchBytes = 0;
  for (const piece of text) {
    const bytes = Buffer.from(piece);
    batch.push(bytes);
    batchBytes += bytes.byteLength;
    if (batchBytes < WRITE_BYTES) continue;
    position += await writeFully(handle, [Buffer.concat(batch)], position);
    batch = [];
    batchBytes = 0;
  }
  await writeFully(handle, [Buffer.concat(batch)], position);
}

/** Reads a document as it was last saved, or undefined. @throws CairnError, storage codes */
export async function loadDocument(
  directory: string,
  name: DocumentName,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const path = join(directory, name);
  try {
    // Only a look: a descriptor would leak where nobody reads what is returned.
    await (await openDocument(path)).close();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `reading "${printable(path)}"`);
  }
  return readDocument(path);
}

function openDocument(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

async function* readDocument(path: string): AsyncGenerator<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    handle = await openDocument(path);
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw storageError(error, `reading "${printable(path)}"`);
  } finally {
    await handle?.close();
  }
}
