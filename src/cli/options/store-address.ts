/** The word of `--store`: where the objects are that several servers share. */
import { resolve } from 'node:path';
import { usage } from './usage.ts';

/** Where a store of objects is: a directory, by its absolute path. */
export interface StoreAddress {
  readonly directory: string;
}

/** Reads the word of `--store`. @throws CairnError `usage` */
export function parseStoreAddress(option: string, word: string): StoreAddress {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(word))
    throw usage(`${option} takes a directory, not "${word}"`, `${option} /mnt/shared/cairn`);
  return { directory: resolve(word) };
}
