/** Where the bytes of a sparse file lie (lseek(2) with SEEK_DATA and SEEK_HOLE): holes read as zeros, and need no reading. */
import { constants } from 'node:os';
import type koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { nativeError } from './native-error.ts';

/** A run of bytes of a file that lie in no hole. */
export interface DataRange {
  readonly from: number;
  /** Where the next hole, or the end of the file, begins. */
  readonly to: number;
}

/**
 * The first data of an open file at or after an offset. Where none follows, `from` is Infinity; where the file system does not
 * tell, all of it is data. It moves the file's own offset. Throws system errors.
 */
export type FindData = (fd: number, offset: number) => DataRange;

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const NONE: DataRange = { from: Infinity, to: Infinity };
const { ENXIO, EINVAL, ENOSYS, EOPNOTSUPP } = constants.errno;
/** Of file systems and kernels that know nothing of holes. */
const CANNOT_TELL: ReadonlySet<number> = new Set([EINVAL, ENOSYS, EOPNOTSUPP]);

/** Binds lseek. */
export function bindFindData(module: typeof koffi, library: LibraryHandle): FindData {
  const lseek = library.func('int64_t lseek(int fd, int64_t offset, int whence)');
  return (fd, offset) => {
    const from = Number(lseek(fd, offset, SEEK_DATA));
    if (from < 0) {
      const errno = module.errno();
      if (errno === ENXIO) return NONE;
      if (CANNOT_TELL.has(errno)) return { from: offset, to: Infinity };
      throw nativeError(errno, 'lseek');
    }
    const to = Number(lseek(fd, from, SEEK_HOLE));
    if (to < 0) throw nativeError(module.errno(), 'lseek');
    return { from, to };
  };
}
