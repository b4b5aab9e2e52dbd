/**
 * Calls on the children of an open directory. Opening and closing a file so takes half the time of a path through
 * `/proc/self/fd`. Each takes one name, never a path: so the kernel has no component on the way that it could resolve
 * elsewhere, and `O_NOFOLLOW` guards the last one.
 */
import { constants } from 'node:os';
import type koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { nativeError } from './native-error.ts';

/** The calls. `name` is the name of a direct child. Each throws system errors, as Node's own calls do. */
export interface AtCalls {
  /** Opens a file for this process alone (with `O_CLOEXEC`); the descriptor is closed as any other. */
  open(fd: number, name: string, flags: number, mode: number): number;
  /** Makes a directory with `mode`, less the umask. */
  makeDirectory(fd: number, name: string, mode: number): void;
  /** Removes a file or link. */
  removeFile(fd: number, name: string): void;
}

/** Node sets it for each file, and does not name it; the same on every architecture on which these calls are bound. */
const O_CLOEXEC = 0o2000000;

/** Binds the calls of the C library. */
export function bindAtCalls(module: typeof koffi, library: LibraryHandle): AtCalls {
  const openat = library.func('int openat(int dirfd, const char *path, int flags, unsigned int mode)');
  const mkdirat = library.func('int mkdirat(int dirfd, const char *path, unsigned int mode)');
  const unlinkat = library.func('int unlinkat(int dirfd, const char *path, int flags)');
  /** Repeats a call that a signal has interrupted. */
  const done = (call: () => number, syscall: string, name: string): number => {
    for (;;) {
      const result = call();
      if (result >= 0) return result;
      const errno = module.errno();
      if (errno !== constants.errno.EINTR) throw nativeError(errno, syscall, name);
    }
  };
  return {
    open: (fd, name, flags, mode) =>
      done(() => openat(fd, name, flags | O_CLOEXEC, mode) as number, 'open', name),
    makeDirectory: (fd, name, mode) => {
      done(() => mkdirat(fd, name, mode) as number, 'mkdir', name);
    },
    removeFile: (fd, name) => {
      done(() => unlinkat(fd, name, 0) as number, 'unlink', name);
    },
  };
}
