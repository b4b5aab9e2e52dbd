/** The directories in which cairn itself keeps files on this machine: no part of a tree that they lie in. */
import { stat } from 'node:fs/promises';
import module from 'node:module';

/** A directory, however it is spelt. */
export interface DirectoryIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/** Node 22 and later have this call; the types are those of Node 20. */
const { getCompileCacheDir } = module as { readonly getCompileCacheDir?: () => string | undefined };

/**
 * The state home, and where Node 22 and later keep the compiled code of cairn. Both change with every run, and would be
 * of no use where a tree is restored.
 */
export async function ownDirectories(stateHome: string): Promise<DirectoryIdentity[]> {
  const found: DirectoryIdentity[] = [];
  for (const path of [stateHome, getCompileCacheDir?.()]) {
    const stats = path === undefined ? undefined : await stat(path, { bigint: true }).catch(() => undefined);
    if (stats !== undefined) found.push({ dev: stats.dev, ino: stats.ino });
  }
  return found;
}
