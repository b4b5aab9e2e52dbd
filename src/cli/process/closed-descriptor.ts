/** Standard descriptors that were closed before this process began. */
import { fstatSync, readSync, statSync, writeSync } from 'node:fs';

/**
 * Whether standard input or output is closed. Node puts /dev/null in its place, open for both ways; a shell opens it for one.
 * Some programs that start others open it for both, too: that looks the same.
 */
export function isClosedDescriptor(fd: 0 | 1): boolean {
  const nullDevice = statSync('/dev/null', { bigint: true, throwIfNoEntry: false })?.rdev;
  if (nullDevice === undefined || fstatSync(fd, { bigint: true }).rdev !== nullDevice) return false;
  try {
    // The way that it is not used for.
    if (fd === 0) writeSync(fd, new Uint8Array(0));
    else readSync(fd, new Uint8Array(1), 0, 1, null);
    return true;
  } catch {
    return false; // which is what was asked
  }
}
