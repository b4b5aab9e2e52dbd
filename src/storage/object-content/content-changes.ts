/** Changes of the published tree without a transfer; each appears at once. */
import { CairnError } from '../../base/errors.ts';
import { ancestorsOf, checkRelativePath, comparePaths, printable } from '../../base/safe-path.ts';
import type { TreeChange, TreeChanges } from '../entry-tree/change-merge.ts';
import type { TreeEntry } from '../entry-tree/tree-entry.ts';
import type { TreeReader } from '../entry-tree/tree-reader.ts';
import { createCommandWriter, type PublishedTree } from './published-tree.ts';
import { findEntry, hasChildren, plainDirectory, refuseObstacle } from './tree-paths.ts';

const BATCH_ENTRIES = 500;

/** Decides about the changes in one version of the tree. */
type Decide = (view: TreeReader) => Promise<TreeChanges>;

async function change(tree: PublishedTree, decide: Decide): Promise<void> {
  await tree.change(async (root) => {
    const changes = await decide(tree.view(root));
    return { tree: await tree.apply(root, changes, createCommandWriter(tree.objects)), recent: root.recent };
  });
}

/** See `ContentStore.makeDirectory`. */
export async function makeDirectoryEntry(
  tree: PublishedTree,
  path: string,
  { parents }: { readonly parents: boolean },
): Promise<void> {
  await change(tree, async (view) => {
    await checkPlace(view, path);
    const there = await findEntry(view, path);
    if (there !== undefined && (!parents || there.entry.type !== 'directory')) throw exists(path);
    const made: TreeChange[] = [];
    const nowMs = await tree.objects.now();
    for (const each of [...ancestorsOf(path), path]) {
      if ((await findEntry(view, each)) !== undefined) continue;
      if (!parents && each !== path) throw missing(each);
      made.push({ path: each, entry: plainDirectory(each, nowMs) });
    }
    return [made];
  });
}

/** See `ContentStore.remove`. */
export async function removeEntries(
  tree: PublishedTree,
  path: string,
  { recursive }: { readonly recursive: boolean },
): Promise<void> {
  await change(tree, async (view) => {
    await checkPlace(view, path);
    if ((await findEntry(view, path)) === undefined) throw missing(path);
    if (!recursive && (await hasChildren(view, path))) {
      const message = `"${printable(path)}" is a directory that is not empty; --recursive removes it with everything in it`;
      throw new CairnError('is-directory', message, { details: { path } });
    }
    return [[{ path, entry: undefined, dropsBelow: true }]];
  });
}

/** See `ContentStore.move`. */
export async function moveEntries(
  tree: PublishedTree,
  from: string,
  to: string,
  { replace }: { readonly replace: boolean },
): Promise<void> {
  await change(tree, async (view) => {
    for (const path of [from, to]) await checkPlace(view, path);
    const source = await findEntry(view, from);
    if (source === undefined) throw missing(from);
    if (to.startsWith(`${from}/`)) {
      throw new CairnError('usage', `"${printable(from)}" cannot be moved into itself`);
    }
    const parent = ancestorsOf(to).at(-1);
    if (parent !== undefined && (await findEntry(view, parent)) === undefined) throw missing(parent);
    const there = await findEntry(view, to);
    const isOther = (there?.entry.type === 'directory') !== (source.entry.type === 'directory');
    if (there !== undefined && (!replace || isOther || (await hasChildren(view, to)))) throw exists(to);
    return moved(view, source, to);
  });
}

/** Everything at and below an entry, under another path, and nothing where it was. */
async function* moved(view: TreeReader, source: TreeEntry, to: string): AsyncGenerator<TreeChange[]> {
  const from = source.entry.path;
  if (from === to) return;
  const gone: TreeChange = { path: from, entry: undefined, dropsBelow: true };
  const isGoneFirst = comparePaths(from, to) < 0;
  if (isGoneFirst) yield [gone];
  const putAt = (each: TreeEntry): TreeChange => {
    const path = to + each.entry.path.slice(from.length);
    return { path, entry: { ...each, entry: { ...each.entry, path: checkRelativePath(path) } } };
  };
  let batch = [putAt(source)];
  for await (const each of view.below(from)) {
    batch.push(putAt(each));
    if (batch.length < BATCH_ENTRIES) continue;
    yield batch;
    batch = [];
  }
  yield batch;
  if (!isGoneFirst) yield [gone];
}

async function checkPlace(view: TreeReader, path: string): Promise<void> {
  if (checkRelativePath(path) === '') throw new CairnError('path-reserved', 'the root itself stays as it is');
  await refuseObstacle(view, path);
}

const exists = (path: string): CairnError =>
  new CairnError('already-exists', `"${printable(path)}" is there already`, { details: { path } });

const missing = (path: string): CairnError =>
  new CairnError('not-found', `there is nothing at "${printable(path)}"`, { details: { path } });
