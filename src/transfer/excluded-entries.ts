/** Entries that the sender cannot carry: the failure, and the bytes that replace them in a shared chunk. */
import { CairnError, type ErrorCode } from '../base/errors.ts';

/** The code under which the sender reports a failed source. */
export type SourceCode = 'source-changed' | 'source-missing' | 'source-unreadable';

const SOURCE_CODES: Partial<Record<ErrorCode, SourceCode>> = {
  'source-changed': 'source-changed',
  'source-missing': 'source-missing',
  'source-unreadable': 'source-unreadable',
  'not-found': 'source-missing',
  'not-directory': 'source-changed',
  'is-directory': 'source-changed',
  'symlink-refused': 'source-changed',
  // A FIFO, a socket or a device has replaced a file.
  'storage-unsupported': 'source-changed',
  'storage-denied': 'source-unreadable',
  'storage-io': 'source-unreadable',
};

/** The code for one source of a failed read; undefined where the whole store fails, or for a bug. */
export function sourceCodeOf(error: unknown): SourceCode | undefined {
  return error instanceof CairnError ? SOURCE_CODES[error.code] : undefined;
}

const ZEROS = new Uint8Array(256 * 1024);

/** Zero bytes in place of an excluded entry, so that the receiver can use the other entries of its chunk. */
export async function* zeros(lengthBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < lengthBytes; at += ZEROS.byteLength) {
    yield ZEROS.subarray(0, Math.min(ZEROS.byteLength, lengthBytes - at));
  }
}
