import { getSystemErrorMap } from 'node:util';

let known: ReturnType<typeof getSystemErrorMap> | undefined;

/**
 * The error of a call of the C library, as Node's own calls have it: `code`, `errno` (negative), `syscall`, and `path`
 * where one is given.
 */
export function nativeError(errno: number, syscall: string, path?: string): NodeJS.ErrnoException {
  // Each call makes a new map.
  known ??= getSystemErrorMap();
  const [code, message] = known.get(-errno) ?? [`Unknown system error ${-errno}`, 'unknown'];
  const of = path === undefined ? '' : ` '${path}'`;
  const error = new Error(`${code}: ${message}, ${syscall}${of}`);
  return Object.assign(error, { errno: -errno, code, syscall, ...(path === undefined ? {} : { path }) });
}
