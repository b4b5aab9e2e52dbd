/** Opens the Redis that the servers of a store share. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { printable } from '../../../base/safe-path.ts';
import type { SharedMemory } from '../../../storage/state/shared-memory.ts';
import { readSecretFile } from '../../access/client-token.ts';
import type { Environment } from '../../access/user-directories.ts';
import type { RedisPlace } from '../../../storage/state/redis/redis-link.ts';

const PASSWORD = 'CAIRN_REDIS_PASSWORD';
const PASSWORD_FILE = 'CAIRN_REDIS_PASSWORD_FILE';

/**
 * Opens it; one that is away is waited for while the server serves.
 *
 * @param storeId the same for all servers of the store
 * @throws CairnError `config-invalid` for a password that cannot be read, or that it refuses
 */
export async function openServedRedis(
  url: RedisPlace,
  storeId: string,
  { env, log }: { readonly env: Environment; readonly log: Pick<Logger, 'info' | 'warn'> },
): Promise<SharedMemory> {
  const [{ openRedisLink }, { createRedisMemory }] = await Promise.all([
    import('../../../storage/state/redis/redis-link.ts'),
    import('../../../storage/state/redis/redis-memory.ts'),
  ]);
  const password = (await passwordOf(env)) ?? url.password;
  return createRedisMemory(await openRedisLink({ ...url, password }, { log }), storeId);
}

/** The password of the environment; undefined where there is none. */
async function passwordOf(env: Environment): Promise<string | undefined> {
  const { [PASSWORD]: word = '', [PASSWORD_FILE]: path = '' } = env;
  if (word !== '') return word;
  if (path === '') return undefined;
  return readSecretFile(path, (why, cause) => {
    const message = `"${printable(path)}" of ${PASSWORD_FILE} is not used: ${why}`;
    return new CairnError('config-invalid', message, cause === undefined ? {} : { cause });
  });
}
