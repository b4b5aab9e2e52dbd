/** Files whose size says nothing of their content: those of /proc, of /sys, of some network and FUSE drives. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { systemCodeOf } from '../../../base/errors.ts';

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Where it cannot be opened or read for these reasons, its size is all that is known of it. */
const UNKNOWN = new Set(['EACCES', 'EPERM', 'EINVAL', 'EIO', 'ENXIO', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP']);

/** Whether a file that is said to be empty has anything to read. Throws system errors of files that are gone, or too many. */
export function hasContent(parent: Directory, name: string): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(parent.at(name), OPEN_FLAGS);
    return readSync(fd, new Uint8Array(1), 0, 1, 0) > 0;
  } catch (error) {
    const system = systemCodeOf(error) ?? '';
    // It will have more to read later.
    if (system === 'EAGAIN') return true;
    if (UNKNOWN.has(system)) return false;
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
