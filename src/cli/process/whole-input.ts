/** Reads a descriptor to its end. */
import { readFile } from 'node:fs';
import { promisify } from 'node:util';
import { storageError } from '../../base/errors.ts';

/** All bytes of a descriptor, which may be a pipe. @throws CairnError, storage codes */
export async function readDescriptorWhole(fd: number): Promise<Buffer> {
  try {
    return await promisify(readFile)(fd);
  } catch (error) {
    throw storageError(error, 'reading standard input');
  }
}
