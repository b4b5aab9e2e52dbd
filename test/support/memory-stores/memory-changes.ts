/** Changes of what is published in memory without a transfer. */
import { CairnError } from '../../../src/base/errors.ts';
import { checkRelativePath, printable } from '../../../src/base/safe-path.ts';
import type { Entry } from '../../../src/manifest/entry.ts';
import type { MemoryBackend } from './memory-backend.ts';
import { ancestorsOf, contentKey, findEntry, findObstacle, metadataOf } from './memory-tree.ts';

const exists = (path: string): CairnError =>
  new CairnError('already-exists', `"${printable(path)}" is there already`, { details: { path } });

/** See `ContentStore.makeDirectory`. */
export async function makeMemoryDirectory(
  backend: MemoryBackend,
  path: string,
  { parents }: { parents: boolean },
): Promise<void> {
  await checkPlace(backend, path);
  const there = await findEntry(backend, path);
  if (there !== undefined && (!parents || there.entry.type !== 'directory')) throw exists(path);
  for (const ancestor of ancestorsOf(path)) {
    if ((await findEntry(backend, ancestor)) !== undefined) continue;
    if (!parents) throw missing(ancestor);
    await putDirectory(backend, ancestor);
  }
  if (there === undefined) await putDirectory(backend, path);
}

/** See `ContentStore.remove`. */
export async function removeFromMemory(
  backend: MemoryBackend,
  path: string,
  { recursive }: { recursive: boolean },
): Promise<void> {
  await checkPlace(backend, path);
  if ((await findEntry(backend, path)) === undefined) throw missing(path);
  const below = await backend.list(`${contentKey(path)}/`);
  if (below.length > 0 && !recursive) {
    const message = `"${printable(path)}" is a directory that is not empty; --recursive removes it with all that is in it`;
    throw new CairnError('is-directory', message, { details: { path } });
  }
  for (const { key } of below) await backend.remove(key);
  await backend.remove(contentKey(path));
}

/** See `ContentStore.move`. */
export async function moveInMemory(
  backend: MemoryBackend,
  from: string,
  to: string,
  { replace }: { replace: boolean },
): Promise<void> {
  for (const path of [from, to]) await checkPlace(backend, path);
  const source = await findEntry(backend, from);
  if (source === undefined) throw missing(from);
  if (to.startsWith(`${from}/`))
    throw new CairnError('usage', `"${printable(from)}" cannot be moved into itself`);
  const parent = ancestorsOf(to).at(-1);
  if (parent !== undefined && (await findEntry(backend, parent)) === undefined) throw missing(parent);
  const there = await findEntry(backend, to);
  const below = await backend.list(`${contentKey(to)}/`);
  const isOther = (there?.entry.type === 'directory') !== (source.entry.type === 'directory');
  if (there !== undefined && (!replace || below.length > 0 || isOther)) throw exists(to);
  const moved = [contentKey(from), ...(await backend.list(`${contentKey(from)}/`)).map(({ key }) => key)];
  for (const key of moved) {
    const object = await backend.get(key);
    if (object === undefined) continue;
    await backend.put(contentKey(to) + key.slice(contentKey(from).length), object.body, object.metadata);
    await backend.remove(key);
  }
}

async function checkPlace(backend: MemoryBackend, path: string): Promise<void> {
  if (checkRelativePath(path) === '') throw new CairnError('path-reserved', 'the root itself stays as it is');
  const obstacle = await findObstacle(backend, path);
  if (obstacle === undefined) return;
  throw new CairnError('not-directory', `"${printable(obstacle.entry.path)}" is not a directory`);
}

function missing(path: string): CairnError {
  return new CairnError('not-found', `there is nothing at "${printable(path)}"`, { details: { path } });
}

async function putDirectory(backend: MemoryBackend, path: string): Promise<void> {
  const mtimeNs = BigInt(Date.now()) * 1_000_000n;
  const entry: Entry = { type: 'directory', path, sizeBytes: 0, mode: 0o755, mtimeNs, linkTarget: '' };
  await backend.put(contentKey(path), Buffer.alloc(0), metadataOf(entry));
}
