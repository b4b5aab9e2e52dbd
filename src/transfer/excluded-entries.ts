/** Entries that the sender cannot carry: what failed about them, and what stands in their place in a shared chunk. */
import { CairnError, type ErrorCode } from '../base/errors.ts';

/** What went wrong with a source, by the code under which it is named. */
export type SourceCode = 'source-changed' | 'source-missing' | 'source-unreadable';

const SOURCE_CODES: Partial<Record<ErrorCode, SourceCode>> = {
  'source-changed': 'source-changed',
  'source-missing': 'source-missing',
  'source-unreadable': 'source-unreadable',
  'not-found': 'source-missing',
  'not-directory': 'source-changed',
  'is-directory': 'source-changed',
  'symlink-refused': 'source-changed',
  // A FIFO, a socket or a device is where a file was.
  'storage-unsupported': 'source-changed',
  'storage-denied': 'source-unreadable',
  'storage-io': 'source-unreadable',
};

/** What a failed read says of one source; undefined where it says something of the whole store, or is a bug. */
export function sourceCodeOf(error: unknown): SourceCode | undefined {
  return error instanceof CairnError ? SOURCE_CODES[error.code] : undefined;
}

const ZEROS = new Uint8Array(256 * 1024);

/** Zero bytes, as they stand in place of an excluded entry, so that the other entries of its chunk can be had. */
export async function* zeros(lengthBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < lengthBytes; at += ZEROS.byteLength) {
    yield ZEROS.subarray(0, Math.min(ZEROS.byteLength, lengthBytes - at));
  }
}
