/** The folders of a directory of objects. */
import { constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  makeDirectory,
  makePrivateDirectory,
  refuseLink,
  replaceFileDurably,
  writeFully,
} from '../../../base/durable-files.ts';
import { removeTree } from '../../../base/remove-tree.ts';
import { CairnError, storageError } from '../../../base/errors.ts';
import { readIfThere } from '../../../base/read-if-there.ts';
import { printable } from '../../../base/safe-path.ts';
import { namesIn } from './version.ts';

const FORMAT_VERSION = 1;
const FORMAT_FILE = 'format';
/** Another process that opens the place for the first time at the same moment is about to name it. */
const TEMPORARY_NAME = /^\.cairn-[0-9a-f]+\.tmp$/;
const FORMAT = JSON.stringify({ format: 'cairn-objects', version: FORMAT_VERSION });
/** Leftovers of killed processes are removed after this time; a put or removal that still runs fails without harm. */
const LEFTOVER_AFTER_MS = 24 * 3600 * 1000;

/** Paths below the root of a directory of objects. */
export interface ObjectsPlace {
  /** Has one directory for each part of a key; listings read it. */
  readonly keys: string;
  /** Puts and removals that run, each in its own directory. */
  readonly drafts: string;
  /** A file whose write tells the file system's time. */
  readonly clock: string;
}

/**
 * Makes missing folders below `root`, and removes leftovers of processes that died long ago.
 *
 * @throws CairnError `journal-version` for the directory of a newer cairn; `config-invalid` for one with other files;
 * `symlink-refused`, `owner-untrusted`; storage codes
 */
export async function openObjectsPlace(root: string): Promise<ObjectsPlace> {
  await refuseLink(root);
  await refuseOther(root);
  await makePrivateDirectory(root);
  await checkFormat(join(root, FORMAT_FILE));
  const place = { keys: join(root, 'keys'), drafts: join(root, 'drafts'), clock: join(root, 'clock') };
  await makeDirectory(place.keys, 0o700);
  await makeDirectory(place.drafts, 0o700);
  await removeLeftovers(place);
  return place;
}

/** Refuses a directory of other files before anything in it is changed. */
async function refuseOther(root: string): Promise<void> {
  const names = await namesIn(root);
  const isOther = (name: string): boolean => !TEMPORARY_NAME.test(name) && name !== 'lost+found';
  if (names.includes(FORMAT_FILE) || !names.some(isOther)) return;
  const message = `"${printable(root)}" has files in it and is no store of objects; name an empty directory, or serve it with --root`;
  throw new CairnError('config-invalid', message);
}

async function checkFormat(path: string): Promise<void> {
  const text = (await readIfThere(path))?.toString();
  if (text === FORMAT) return;
  if (text === undefined) return replaceFileDurably(path, FORMAT);
  const message = `"${printable(path)}" holds objects in a format that this cairn does not know; use the cairn that wrote it`;
  throw new CairnError('journal-version', message);
}

async function removeLeftovers(place: ObjectsPlace): Promise<void> {
  try {
    const names = await readdir(place.drafts);
    if (names.length === 0) return;
    const nowMs = await fileSystemTime(place);
    for (const name of names) {
      const path = join(place.drafts, name);
      const changedAtMs = await stat(path).then(
        ({ mtimeMs }) => mtimeMs,
        () => nowMs,
      ); // removed meanwhile
      if (nowMs - changedAtMs > LEFTOVER_AFTER_MS) await removeTree(path);
    }
  } catch (error) {
    throw storageError(error, `tidying "${printable(place.drafts)}"`);
  }
}

/** The file system's time for a write now, in milliseconds. @throws CairnError storage codes */
export async function fileSystemTime({ clock }: ObjectsPlace): Promise<number> {
  try {
    const handle = await open(clock, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      // Overwriting a byte needs no room on a full disk.
      await writeFully(handle, [Buffer.from('.')], 0);
      return Math.floor((await handle.stat()).mtimeMs);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storageError(error, 'asking the file system for its time');
  }
}
