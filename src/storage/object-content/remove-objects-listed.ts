/** Removes the published entries that an order lists, the deepest first, each only if it is still the listed one. */
import { joinPath } from '../../base/safe-path.ts';
import type { Entry } from '../../manifest/entry.ts';
import { changedSinceListed, isAsListed, notEmpty } from '../../transfer/listed-entries.ts';
import type { RefusedEntries } from '../../transfer/refused-entries.ts';
import type { PublishOrder } from '../content-store.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { keepObject } from './object-backup.ts';
import { findEntry, hasChildren } from './entry-objects.ts';

/** Entries that are looked at before one `confirm` allows to remove them. */
const CONFIRMED_AT_A_TIME = 16;

/** Removes what `order.removal` lists; nothing where an entry was refused. @throws CairnError storage codes */
export async function removeListedObjects(
  objects: ObjectStore,
  target: string,
  { removal, confirm, backup }: PublishOrder,
  refused: RefusedEntries,
): Promise<void> {
  if (removal === undefined) return;
  if (refused.size > 0) {
    removal.onSkipped();
    return;
  }
  const { entries } = removal;
  for (let end = entries.length; end > 0; end -= CONFIRMED_AT_A_TIME) {
    const from = Math.max(0, end - CONFIRMED_AT_A_TIME);
    await confirm?.();
    for (let index = end - 1; index >= from; index -= 1) {
      const listed = entries.at(index)!;
      const failure = await removeObject(objects, backup, listed, joinPath(target, listed.path));
      if (failure !== undefined) removal.onKept(index, failure);
    }
  }
}

async function removeObject(
  objects: ObjectStore,
  backup: string | undefined,
  listed: Entry,
  path: string,
): Promise<ReturnType<typeof notEmpty> | undefined> {
  const found = await findEntry(objects, path);
  if (found === undefined) return undefined;
  if (!isAsListed(found.entry, listed)) return changedSinceListed(path);
  if (found.entry.type === 'directory' && (await hasChildren(objects, path))) return notEmpty(path);
  await keepObject(objects, backup, listed.path, found);
  await objects.remove([found.key]);
  return undefined;
}
