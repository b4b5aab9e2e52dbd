/** The directories in which cairn itself keeps files on this machine: no part of a tree that they lie in. */
import { stat } from 'node:fs/promises';
import type { TransferOptions } from '../api/options.ts';

/** A directory, however it is spelt. */
export interface DirectoryIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Where they are. */
export type OwnPlaces = Pick<TransferOptions, 'stateHome' | 'compiledHome'>;

/** Looks at those that exist. Both change with every run, and would be of no use where a tree is restored. */
export async function ownDirectories({ stateHome, compiledHome }: OwnPlaces): Promise<DirectoryIdentity[]> {
  const found: DirectoryIdentity[] = [];
  for (const path of [stateHome, compiledHome]) {
    const stats = path === undefined ? undefined : await stat(path, { bigint: true }).catch(() => undefined);
    if (stats !== undefined) found.push({ dev: stats.dev, ino: stats.ino });
  }
  return found;
}
