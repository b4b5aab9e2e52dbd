/** Puts: the bytes become durable in a draft, and then one rename shows them, or fails. */
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeDirectory, syncDirectory, syncHandle, writeFully } from '../../../base/durable-files.ts';
import { removeTree } from '../../../base/remove-tree.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { checkedBody, sizeOf } from '../object-body.ts';
import type { ObjectBody, PutOptions } from '../object-store.ts';
import { openIfThere, syncIfThere, syncNames, unlinkIfThere } from './directory-sync.ts';
import { objectPath } from './key-names.ts';
import type { ObjectsPlace } from './place.ts';
import {
  bytesPath,
  currentVersion,
  drawNonce,
  isOutdated,
  namesIn,
  pointerName,
  type Version,
  versionName,
} from './version.ts';

/** Tries of an unconditional put, when other nodes replace the object again and again. */
const MAX_TURNS = 100;
/** Tries, when other nodes remove the directories above an object, which are empty until the object is in place. */
const MAX_PLACINGS = 100;
const BODY = 'body';

/** See `ObjectStore.put`; the key is checked, and the largest body is `maxBytes`. */
export async function putObject(
  place: ObjectsPlace,
  key: string,
  body: ObjectBody,
  { sha256, ifMatch, maxBytes }: PutOptions & { readonly maxBytes: number },
): Promise<string | undefined> {
  const directory = objectPath(place.keys, key);
  for (let turn = 0; turn < MAX_TURNS; turn += 1) {
    const there = await currentVersion(directory);
    if (ifMatch !== undefined && (there === undefined ? null : versionName(there)) !== ifMatch)
      return undefined;
    const draft = await writeDraft(place, key, checkedBody(body, { sha256, maxBytes }));
    const made = { nonce: drawNonce(), modifiedAtMs: draft.modifiedAtMs, sizeBytes: sizeOf(body) };
    try {
      const version =
        there === undefined
          ? await create(place, directory, draft.path, made)
          : await replace(directory, draft.path, made, there);
      if (version !== undefined) return versionName(version);
    } catch (error) {
      throw storageError(error, `putting the object "${printable(key)}"`);
    } finally {
      await removeTree(draft.path);
    }
    if (ifMatch !== undefined) return undefined;
  }
  throw new CairnError(
    'server-busy',
    `the object "${printable(key)}" is replaced by others again and again; try again later`,
  );
}

interface Draft {
  /** Its own directory, which contains the bytes. */
  readonly path: string;
  readonly modifiedAtMs: number;
}

async function writeDraft(place: ObjectsPlace, key: string, body: AsyncIterable<Uint8Array>): Promise<Draft> {
  const path = join(place.drafts, drawNonce());
  try {
    await mkdir(path, { mode: 0o700 });
    const handle = await open(join(path, BODY), 'wx', 0o600);
    try {
      let position = 0;
      for await (const piece of body) position += await writeFully(handle, [piece], position);
      await syncHandle(handle, key);
      return { path, modifiedAtMs: Math.floor((await handle.stat()).mtimeMs) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    await removeTree(path).catch(() => undefined); // the first failure says why
    throw storageError(error, `putting the object "${printable(key)}"`);
  }
}

type Made = Pick<Version, 'nonce' | 'modifiedAtMs' | 'sizeBytes'>;

/** Renames the draft to the directory of the object; a rename onto a directory with entries fails. */
async function create(
  place: ObjectsPlace,
  directory: string,
  draft: string,
  made: Made,
): Promise<Version | undefined> {
  const version: Version = { ...made, life: drawNonce(), sequence: 1 };
  await rename(join(draft, BODY), bytesPath(draft, version));
  await writeFile(join(draft, pointerName(version)), '', { flag: 'wx', mode: 0o600 });
  await syncDirectory(draft);
  for (let placing = 0; ; placing += 1) {
    await makeDirectory(dirname(directory), 0o700);
    try {
      await rename(draft, directory);
      break;
    } catch (error) {
      const code = systemCodeOf(error);
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return undefined;
      if (code !== 'ENOENT' || placing >= MAX_PLACINGS) throw error;
    }
  }
  await syncAbove(place, directory);
  return version;
}

/** Makes durable every directory from that of all keys down to the one above an object, also those of other nodes. */
async function syncAbove(place: ObjectsPlace, directory: string): Promise<void> {
  const above: string[] = [];
  for (let path = dirname(directory); path !== dirname(place.keys); path = dirname(path)) above.push(path);
  await Promise.all(above.map(syncIfThere));
}

async function replace(
  directory: string,
  draft: string,
  made: Made,
  old: Version,
): Promise<Version | undefined> {
  const version: Version = { ...made, life: old.life, sequence: old.sequence + 1 };
  // By its handle, the directory is synced even after another node has moved it away.
  const handle = await openIfThere(directory);
  if (handle === undefined) return undefined;
  try {
    const isPlaced = await renamed(join(draft, BODY), bytesPath(directory, version));
    if (isPlaced) await syncNames(handle, directory);
    const from = join(directory, pointerName(old));
    const to = join(directory, pointerName(version));
    // A network file system may answer "gone" to a rename that it received twice and has done.
    if (
      !isPlaced ||
      !((await renamed(from, to)) || (await namesIn(directory)).includes(pointerName(version)))
    ) {
      await unlinkIfThere(bytesPath(directory, version));
      return undefined;
    }
    await syncNames(handle, directory);
  } finally {
    await handle.close();
  }
  // The object is put by now; leftovers go with the next version, or with the object.
  await removeOutdated(directory, version).catch(() => undefined);
  return version;
}

/** Removes the files of earlier versions, and of puts that came too late or were killed. */
async function removeOutdated(directory: string, version: Version): Promise<void> {
  for (const name of await namesIn(directory)) {
    if (isOutdated(name, version)) await unlinkIfThere(join(directory, name));
  }
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw error;
  }
}
