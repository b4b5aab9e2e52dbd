/** Files whose size does not tell their content: those of /proc, of /sys, of some network and FUSE drives. */
import { closeSync, constants, readSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { systemCodeOf } from '../../../base/errors.ts';

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** When opening or reading fails for one of these reasons, only the size is known. */
const UNKNOWN = new Set(['EACCES', 'EPERM', 'EINVAL', 'EIO', 'ENXIO', 'ENODEV', 'EOPNOTSUPP', 'ENOTSUP']);

/** Whether a file of size 0 has content. Throws system errors for files that are gone, or too many open files. */
export function hasContent(parent: Directory, name: string): boolean {
  let fd: number | undefined;
  try {
    fd = parent.openFile(name, OPEN_FLAGS);
    return readSync(fd, new Uint8Array(1), 0, 1, 0) > 0;
  } catch (error) {
    const system = systemCodeOf(error) ?? '';
    // The file will have content later.
    if (system === 'EAGAIN') return true;
    if (UNKNOWN.has(system)) return false;
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
