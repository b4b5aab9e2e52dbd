/** From a path to what it leads to. */
import type { DirectoryNode, Node } from './inode.ts';
import { systemError } from './system-error.ts';

/** Where a path leads: the directory of its last name, that name, and what is there. */
export interface Resolved {
  readonly parent: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

const MAX_LINKS = 8;
const DESCRIPTORS = '/proc/self/fd/';

/** Follows `path` from `root`; `directoryOf` finds the directory behind a descriptor. */
export function resolvePath(
  root: DirectoryNode,
  path: string,
  options: { follow: boolean; call: string; directoryOf: (fd: number) => DirectoryNode },
): Resolved {
  const how = { follow: options.follow, call: options.call, root, path, links: 0 };
  const names = path.split('/');
  if (!path.startsWith(DESCRIPTORS)) return walk(how, root, names, 1);
  return walk(how, options.directoryOf(Number(names[4])), names, 5);
}

interface Walk {
  readonly root: DirectoryNode;
  readonly path: string;
  readonly follow: boolean;
  readonly call: string;
  links: number;
}

function walk(how: Walk, start: DirectoryNode, names: readonly string[], from: number): Resolved {
  let parent = start;
  let last = names.length - 1;
  while (last >= from && isNothing(names[last]!)) last -= 1;
  if (last < from) return { parent, name: '.', node: parent };
  for (let index = from; ; index += 1) {
    const name = names[index]!;
    if (isNothing(name)) continue;
    const node = parent.entries.get(name);
    if (node?.type === 'symlink' && (index < last || how.follow)) {
      how.links += 1;
      if (how.links > MAX_LINKS) throw systemError('ELOOP', how.call, how.path);
      const origin = node.target.startsWith('/') ? how.root : parent;
      return walk(how, origin, [...node.target.split('/'), ...names.slice(index + 1)], 0);
    }
    if (index === last) return { parent, name, node };
    if (node === undefined) throw systemError('ENOENT', how.call, how.path);
    if (node.type !== 'directory') throw systemError('ENOTDIR', how.call, how.path);
    parent = node;
  }
}

function isNothing(name: string): boolean {
  return name === '' || name === '.';
}
