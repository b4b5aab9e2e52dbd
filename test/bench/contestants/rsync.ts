/** rsync with its own daemon: no ssh, no compression, whole files; on a disk with --fsync. */
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { programPath, startServer, versionOf } from '../processes.ts';
import type { Contestant, Ground, Seat } from './contestant.ts';
import { freePort } from '../../support/free-port.ts';

/** Starts a daemon; `how` are the words that say what it carries of a file. */
export async function seatRsync(ground: Ground, how: readonly string[]): Promise<Seat> {
  const root = path.join(ground.folder, 'root');
  mkdirSync(root, { recursive: true });
  const port = await freePort();
  const config = path.join(ground.folder, 'rsyncd.conf');
  const user = process.getuid?.() === 0 ? ['uid = root', 'gid = root'] : [];
  const lines = [
    ...user,
    'use chroot = no',
    'reverse lookup = no',
    'log file = /dev/null',
    '[data]',
    `path = ${root}`,
  ];
  writeFileSync(config, [...lines, 'read only = no', ''].join('\n'));
  const words = ['--daemon', '--no-detach', '--address=127.0.0.1', `--port=${port}`, `--config=${config}`];
  const server = await startServer({ words: [programPath('rsync')!, ...words] }, port);
  const url = `rsync://127.0.0.1:${await ground.via(port)}/data`;
  const durable = ground.place.isDisk ? ['--fsync'] : [];
  const flags = ['-rlpt', ...how, '--no-compress', ...durable];
  return {
    servers: [server.pid],
    served: (name) => path.join(root, name),
    push: (source, name) => {
      const isTree = statSync(source).isDirectory();
      return {
        words: ['rsync', ...flags, isTree ? `${source}/` : source, `${url}/${name}${isTree ? '/' : ''}`],
      };
    },
    pull: (name, target) => {
      const isTree = statSync(path.join(root, name)).isDirectory();
      return {
        words: ['rsync', ...flags, `${url}/${name}${isTree ? '/' : ''}`, `${target}${isTree ? '/' : ''}`],
      };
    },
    close: () => server.stop(),
  };
}

/** rsync, client and daemon. */
export const rsync: Contestant = {
  name: 'rsync',
  missing: () => (programPath('rsync') === undefined ? 'rsync' : undefined),
  versions: () => [
    `rsync ${versionOf('rsync', ['--version'], /version (\S+)/)}, daemon, -rlpt --whole-file --no-compress; on disk --fsync`,
  ],
  setUp: (ground) => seatRsync(ground, ['--whole-file']),
};
