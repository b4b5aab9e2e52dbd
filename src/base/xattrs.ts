/** Extended attributes (xattr(7)), which Node has no calls for. */
import { isUtf8 } from 'node:buffer';
import { constants } from 'node:os';
import type koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { nativeError } from './native-error.ts';

/** A file: the descriptor of an open one, or a path. Where the path ends in a symbolic link, that is not followed. */
export type XattrFile = number | string;

/** Calls for extended attributes. Each throws system errors. */
export interface Xattrs {
  /** The names of a file's attributes; none where the file system has none. Throws EILSEQ for one that is not UTF-8. */
  list(file: XattrFile): string[];
  /** A value; undefined where the file has no such attribute. */
  get(file: XattrFile, name: string): Buffer | undefined;
  set(file: XattrFile, name: string, value: Uint8Array): void;
  /** Removes an attribute, if it is there. */
  remove(file: XattrFile, name: string): void;
}

/** Linux has no longer value, and no longer list of names. */
const MAX_BYTES = 64 * 1024;
const UNSUPPORTED = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/** Binds the calls of the C library. */
export function bindXattrs(module: typeof koffi, library: LibraryHandle): Xattrs {
  const bind = (
    type: string,
    call: string,
    rest: string,
  ): ((file: XattrFile, ...rest: unknown[]) => number) => {
    const ofFile = library.func(`${type} f${call}(int fd${rest})`);
    const ofPath = library.func(`${type} l${call}(const char *path${rest})`);
    return (file, ...args) => Number((typeof file === 'number' ? ofFile : ofPath)(file, ...args));
  };
  const listxattr = bind('int64_t', 'listxattr', ', void *list, size_t size');
  const getxattr = bind('int64_t', 'getxattr', ', const char *name, void *value, size_t size');
  const setxattr = bind('int', 'setxattr', ', const char *name, const void *value, size_t size, int flags');
  const removexattr = bind('int', 'removexattr', ', const char *name');
  const bytes = Buffer.alloc(MAX_BYTES);
  const failure = (call: string): NodeJS.ErrnoException => nativeError(module.errno(), call);
  return {
    list: (file) => {
      const length = listxattr(file, bytes, MAX_BYTES);
      if (length < 0) {
        const error = failure('listxattr');
        if (UNSUPPORTED.has(error.code!)) return [];
        throw error;
      }
      return namesIn(bytes.subarray(0, length));
    },
    get: (file, name) => {
      const length = getxattr(file, name, bytes, MAX_BYTES);
      if (length >= 0) return Buffer.from(bytes.subarray(0, length));
      const error = failure('getxattr');
      if (error.code === 'ENODATA' || UNSUPPORTED.has(error.code!)) return undefined;
      throw error;
    },
    set: (file, name, value) => {
      if (setxattr(file, name, value, value.byteLength, 0) !== 0) throw failure('setxattr');
    },
    remove: (file, name) => {
      if (removexattr(file, name) === 0) return;
      const error = failure('removexattr');
      if (error.code !== 'ENODATA' && !UNSUPPORTED.has(error.code!)) throw error;
    },
  };
}

/** The names of a list, in which each ends with a zero byte. */
function namesIn(list: Buffer): string[] {
  const names: string[] = [];
  for (let from = 0; from < list.byteLength;) {
    const end = list.indexOf(0, from);
    const name = list.subarray(from, end < 0 ? list.byteLength : end);
    if (!isUtf8(name)) throw notUtf8();
    names.push(name.toString());
    from += name.byteLength + 1;
  }
  return names;
}

function notUtf8(): Error {
  const message = 'EILSEQ: the name of an extended attribute is not UTF-8';
  return Object.assign(new Error(message), { code: 'EILSEQ', errno: -constants.errno.EILSEQ });
}
