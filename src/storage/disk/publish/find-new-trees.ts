/** Finds the directories of a manifest that the destination does not have. */
import { fstatSync } from 'node:fs';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError } from '../../../base/errors.ts';
import type { Native } from '../../../base/native.ts';
import { joinPath } from '../../../base/safe-path.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import { type NewTree, NewTrees, treeFrom } from '../staging/new-trees.ts';
import { firstModeOf, type PublishJob } from './publication.ts';
import { PathFinder, splitPath } from '../tree/lookup.ts';
import { ACL_XATTR } from '../tree/posix-acl.ts';

const SET_GROUP_ID = 0o2000;

/** Where a tree is to go, and the folder that it is built in. */
export interface TreePlace {
  /** The root of the store, and the staging folder; borrowed. */
  readonly root: Directory;
  readonly folder: Directory;
  readonly native: Native | undefined;
  /** Undefined where files are synced one by one: then nothing is built as a tree. */
  readonly syncFileSystem: Native['syncFileSystem'];
}

/**
 * Opens the new directories of a transfer; nothing of them is made yet. It borrows the folder of `place`.
 *
 * @throws CairnError as {@link findNewTrees}
 */
export async function openNewTrees(
  place: TreePlace & Pick<PublishJob, 'modeOf'>,
  transfer: Pick<IncomingTransfer, 'manifest' | 'target'>,
  isLeftOut: (entryIndex: number) => boolean,
  breathe: () => Promise<void> | undefined,
): Promise<NewTrees> {
  const { entries } = transfer.manifest;
  const found = await findNewTrees(place, transfer, isLeftOut, breathe);
  const modeOf = (index: number): number => firstModeOf(place, entries.at(index)!);
  return new NewTrees({ folder: place.folder, modeOf }, entries, found);
}

/**
 * Finds the topmost directories that are not there yet and can come by a rename that replaces nothing. Not where a
 * directory gives its group or its access control list to what is made in it: what is made elsewhere would lack them.
 *
 * @param isLeftOut tells the entries that are not published
 * @throws CairnError, storage codes
 */
async function findNewTrees(
  place: TreePlace,
  { manifest, target }: Pick<IncomingTransfer, 'manifest' | 'target'>,
  isLeftOut: (entryIndex: number) => boolean,
  breathe: () => Promise<void> | undefined,
): Promise<NewTree[]> {
  const { root, folder, native, syncFileSystem } = place;
  if (native?.renameNewAt === undefined || syncFileSystem === undefined) return [];
  const { entries } = manifest;
  const found: NewTree[] = [];
  const device = plainDevice(folder, native);
  if (device === undefined) return [];
  const finder = new PathFinder(root, native.statAt);
  try {
    for (let index = 0; index < entries.length; index += 1) {
      if (entries.typeOf(index) !== 'directory' || isLeftOut(index)) continue;
      await breathe();
      const path = joinPath(target, entries.pathOf(index));
      if (!isAbsent(finder, path) || parentDevice(root, path, native) !== device) continue;
      const tree = treeFrom(entries, index);
      found.push(tree);
      index = tree.end - 1;
    }
    return found;
  } finally {
    finder.close();
  }
}

function isAbsent(finder: PathFinder, path: string): boolean {
  try {
    return path !== '' && finder.find(path) === undefined;
  } catch (error) {
    // Something is in the way; it shows when the entry is put there.
    if (isOfOneEntry(error)) return false;
    throw error;
  }
}

/** The device of the directory that is to have the new one, or of the nearest one above it that exists. */
function parentDevice(root: Directory, path: string, native: Native): bigint | undefined {
  const cursor = new DirectoryCursor(root);
  try {
    for (let { parent } = splitPath(path); ; { parent } = splitPath(parent)) {
      try {
        return plainDevice(cursor.enter(parent), native);
      } catch (error) {
        if (parent === '' || !(error instanceof CairnError) || error.code !== 'not-found') {
          if (isOfOneEntry(error)) return undefined;
          throw error;
        }
      }
    }
  } finally {
    cursor.close();
  }
}

/** The device of a directory that gives nothing of its own to what is made in it. */
function plainDevice({ fd, isReadable }: Directory, { xattrs }: Native): bigint | undefined {
  if (!isReadable) return undefined;
  const { dev, mode } = fstatSync(fd, { bigint: true });
  if ((Number(mode) & SET_GROUP_ID) !== 0) return undefined;
  return xattrs.get(fd, ACL_XATTR.default) === undefined ? dev : undefined;
}
