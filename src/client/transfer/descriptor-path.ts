/** Paths that stand for an open descriptor: `/dev/stdin`, `/dev/fd/63`, `/proc/self/fd/3`, what `<(command)` is called. */
import { readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';

const IN_PROC = /^\/proc\/(\d+)(?:\/task\/\d+)?\/fd\/(\d+)$/;
const IN_DEV = /^\/dev\/fd\/(\d+)$/;
/** Links that lead to a link that leads to a descriptor; more is a circle. */
const MAX_LINKS = 8;

/** What a path into the descriptors of a process stands for. */
interface DescriptorPath {
  /** Undefined where it is of another process. */
  readonly fd: number | undefined;
}

/**
 * The descriptor that a source has to be read from, since as a file it would be a link into `/proc`, which means nothing on
 * another machine. Undefined for ordinary paths, links of the user's own among them, and where a directory is open.
 *
 * @throws CairnError `source-unsupported` for a descriptor of another process, `source-unreadable` for one that is closed
 */
export async function streamAt(path: string): Promise<number | undefined> {
  const descriptor = await descriptorAt(path);
  if (descriptor === undefined) return undefined;
  const target = await stat(path).catch((error: unknown) => {
    throw new CairnError('source-unreadable', `"${printable(path)}" is not open here`, { cause: error });
  });
  if (target.isDirectory()) return undefined;
  if (descriptor.fd !== undefined) return descriptor.fd;
  const message = `"${printable(path)}" is open in another process; push the file that it leads to under its own name`;
  throw new CairnError('source-unsupported', message);
}

/**
 * Whether a destination leads to an open descriptor, over whatever links: as a file it would take the place of the link, and
 * who reads the descriptor would have nothing.
 */
export async function leadsToDescriptor(path: string): Promise<boolean> {
  return (await descriptorAt(path, () => true)) !== undefined;
}

async function descriptorAt(
  path: string,
  isFollowed = (place: string): boolean => place.startsWith('/dev/'),
): Promise<DescriptorPath | undefined> {
  let place = resolve(path);
  for (let links = 0; links < MAX_LINKS; links += 1) {
    place = join(await realParent(place), basename(place));
    const [, pid, number] = IN_PROC.exec(place) ?? [];
    if (number !== undefined) return { fd: Number(pid) === process.pid ? Number(number) : undefined };
    const [, own] = IN_DEV.exec(place) ?? [];
    if (own !== undefined) return { fd: Number(own) };
    const target = isFollowed(place) ? await linkTarget(place) : undefined;
    if (target === undefined) return undefined;
    place = resolve(dirname(place), target);
  }
  return undefined;
}

async function realParent(path: string): Promise<string> {
  try {
    return await realpath(dirname(path));
  } catch {
    return dirname(path); // its fault shows when it is opened
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (['EINVAL', 'ENOENT', 'ENOTDIR', 'EACCES'].includes(systemCodeOf(error) ?? '')) return undefined;
    throw error;
  }
}
