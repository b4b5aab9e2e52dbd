/** aria2c with nginx: several connections for one file. It only pulls. */
import path from 'node:path';
import { versionOf } from '../processes.ts';
import type { Contestant } from './contestant.ts';
import { missingBesideNginx, nginxVersion, startNginx } from './nginx.ts';

/** aria2c with so many connections. */
export function aria2(connections: number): Contestant {
  const flags = [`-x${connections}`, `-s${connections}`, '-k1M', '--file-allocation=none', '-q', '--no-conf'];
  return {
    name: `aria2c -x${connections} + nginx`,
    missing: () => missingBesideNginx('aria2c'),
    versions: () => [
      `aria2c ${versionOf('aria2c', ['--version'], /aria2 version (\S+)/)}, ${flags.join(' ')}`,
      nginxVersion(),
    ],
    setUp: async (ground) => {
      const { server, root, url } = await startNginx(ground);
      return {
        servers: [server.pid],
        served: (name) => path.join(root, name),
        pull: (name, target) => ({
          words: [
            'aria2c',
            ...flags,
            '-d',
            path.dirname(target),
            '-o',
            path.basename(target),
            `${url}/${name}`,
          ],
        }),
        close: () => server.stop(),
      };
    },
  };
}
