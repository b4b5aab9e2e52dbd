/** Documents in a staging folder: written and read as streams, replaced whole. */
import { randomBytes } from 'node:crypto';
import { constants, fstatSync } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { createBreather } from '../../../base/breather.ts';
import type { Directory } from '../../../base/directory.ts';
import { writeFully } from '../../../base/durable-files.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { refuseForeign } from '../../../base/ownership.ts';
import { printable } from '../../../base/safe-path.ts';
import type { DocumentName } from '../../content-store.ts';

/** A text of more than twice this size would be a large object, which V8 frees late. */
const READ_BYTES = 64 * 1024;
/** Bytes that are written together; one string of this size would burden V8's garbage collector. */
const WRITE_BYTES = 512 * 1024;

/** Replaces a document of an open folder, durably and atomically. @throws CairnError, storage codes */
export async function saveDocument(
  folder: Directory,
  name: DocumentName,
  text: Iterable<string>,
): Promise<void> {
  const temporary = folder.at(`${name}-${randomBytes(6).toString('hex')}.tmp`);
  const doing = `writing "${printable(folder.show(name))}"`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await writeText(handle, text);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(temporary, folder.at(name));
  } catch (error) {
    // The removal of the staging area removes a leftover.
    await unlink(temporary).catch(() => undefined);
    throw storageError(error, doing);
  }
  folder.sync();
}

async function writeText(handle: FileHandle, text: Iterable<string>): Promise<void> {
  let position = 0;
  let batch: Buffer[] = [];
  let batchBytes = 0;
  const breathe = createBreather();
  for (const piece of text) {
    // oxlint-disable-next-line no-await-in-loop -- most of the time there is nothing to wait for
    await breathe();
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

/**
 * Reads a document as it was last saved, or undefined.
 *
 * @param openFolder opens the folder, if it exists; called again when the caller reads the answer
 * @throws CairnError, storage codes
 */
export async function loadDocument(
  openFolder: () => Directory | undefined,
  name: DocumentName,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const folder = openFolder();
  if (folder === undefined) return undefined;
  try {
    // This only checks: a descriptor would leak where the caller does not read the answer.
    await (await openDocument(folder, name)).close();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `reading "${printable(folder.show(name))}"`);
  } finally {
    folder.close();
  }
  return readDocument(openFolder, name);
}

async function openDocument(folder: Directory, name: DocumentName): Promise<FileHandle> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(folder.at(name), flags);
  try {
    refuseForeign(fstatSync(handle.fd), folder.show(name));
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function* readDocument(
  openFolder: () => Directory | undefined,
  name: DocumentName,
): AsyncGenerator<Uint8Array> {
  const folder = openFolder();
  if (folder === undefined) throw new CairnError('storage-io', `the folder of "${name}" is gone`);
  let handle: FileHandle | undefined;
  try {
    handle = await openDocument(folder, name);
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, READ_BYTES);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw storageError(error, `reading "${printable(folder.show(name))}"`);
  } finally {
    await handle?.close();
    folder.close();
  }
}
