/** The directories in which cairn itself keeps files on this machine: no part of a tree that they lie in. */
import { stat } from 'node:fs/promises';
import { compiledHome } from '../../base/compiled-home.ts';

/** A directory, however it is spelt. */
export interface DirectoryIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * The state home, and where the compiled code of cairn is kept. Both change with every run, and would be of no use where
 * a tree is restored.
 */
export async function ownDirectories(stateHome: string): Promise<DirectoryIdentity[]> {
  const found: DirectoryIdentity[] = [];
  for (const path of [stateHome, compiledHome(process.env)]) {
    const stats = path === undefined ? undefined : await stat(path, { bigint: true }).catch(() => undefined);
    if (stats !== undefined) found.push({ dev: stats.dev, ino: stats.ino });
  }
  return found;
}
