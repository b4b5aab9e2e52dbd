/** curl with nginx: one PUT or GET a file. It verifies nothing, and nginx makes nothing durable. */
import path from 'node:path';
import { versionOf } from '../processes.ts';
import type { Contestant } from './contestant.ts';
import { missingBesideNginx, nginxVersion, startNginx } from './nginx.ts';

/** curl and nginx. */
export const curl: Contestant = {
  name: 'curl + nginx',
  missing: () => missingBesideNginx('curl'),
  versions: () => [`curl ${versionOf('curl', ['--version'], /curl (\S+)/)}`, nginxVersion()],
  setUp: async (ground) => {
    const { server, root, url } = await startNginx(ground);
    const flags = ['--silent', '--show-error', '--fail', '--noproxy', '*'];
    return {
      servers: [server.pid],
      served: (name) => path.join(root, name),
      // Without this header curl waits up to a second for 100-continue.
      push: (source, name) => ({
        words: ['curl', ...flags, '-H', 'Expect:', '-T', source, `${url}/${name}`],
      }),
      pull: (name, target) => ({ words: ['curl', ...flags, '-o', target, `${url}/${name}`] }),
      close: () => server.stop(),
    };
  },
};
