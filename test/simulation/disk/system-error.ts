/** Errors as Node gives them for system calls. */
const ERRNO: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  EACCES: 13,
  EEXIST: 17,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENOSPC: 28,
  EROFS: 30,
  ESRCH: 3,
  ENOTEMPTY: 39,
  ELOOP: 40,
};

/** Makes the error of a failed call. */
export function systemError(code: string, call: string, path = ''): Error {
  const shown = path === '' ? '' : ` '${path}'`;
  return Object.assign(new Error(`${code}: simulated, ${call}${shown}`), {
    code,
    errno: -(ERRNO[code] ?? 1),
    syscall: call,
  });
}

/** The number of a system error, for who asks `errno`. */
export function errnoOf(error: unknown): number {
  return error instanceof Error && 'errno' in error ? -Number(error.errno) : 0;
}
