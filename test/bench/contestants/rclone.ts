/** rclone with nginx: WebDAV for pushes, plain HTTP for pulls, sixteen at a time. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { versionOf } from '../processes.ts';
import type { Contestant } from './contestant.ts';
import { missingBesideNginx, nginxVersion, startNginx } from './nginx.ts';

const FLAGS = [
  '--config',
  '/dev/null',
  '--quiet',
  '--transfers',
  '16',
  '--checkers',
  '16',
  '--multi-thread-streams',
  '16',
];

/** rclone and nginx. */
export const rclone: Contestant = {
  name: 'rclone + nginx',
  missing: () => missingBesideNginx('rclone'),
  versions: () => [
    `rclone ${versionOf('rclone', ['version'], /rclone v(\S+)/)}, WebDAV up (--ignore-size, as this nginx has a minimal PROPFIND), HTTP down, --transfers 16 --checkers 16 --multi-thread-streams 16`,
    nginxVersion(),
  ],
  setUp: async (ground) => {
    const { server, root, url } = await startNginx(ground, { answersPropfind: true });
    const verb = (place: string): string => (statSync(place).isDirectory() ? 'copy' : 'copyto');
    const dav = ['--webdav-url', url, '--ignore-size'];
    const http = ['--http-url', url, '--multi-thread-cutoff', '1M'];
    return {
      servers: [server.pid],
      served: (name) => path.join(root, name),
      push: (source, name) => ({
        words: ['rclone', verb(source), source, `:webdav:${name}`, ...FLAGS, ...dav],
      }),
      pull: (name, target) => ({
        words: ['rclone', verb(path.join(root, name)), `:http:${name}`, target, ...FLAGS, ...http],
      }),
      close: () => server.stop(),
    };
  },
};
