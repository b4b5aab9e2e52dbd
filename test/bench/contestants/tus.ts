/** tus-js-client with @tus/server. It only pushes. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { startServer } from '../processes.ts';
import type { Contestant } from './contestant.ts';
import { freePort } from '../../support/free-port.ts';

/** Where `.ci/get-tus` puts its packages. */
const MODULES = path.resolve(import.meta.dirname, '../../.nodes/tus/node_modules');
const SERVER = path.resolve(import.meta.dirname, '../faults/power/support/tus-server.js');
const CLIENT = path.join(import.meta.dirname, 'contestants/tus-client.js');

function versionIn(name: string): string {
  const text = readFileSync(path.join(MODULES, name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/**
 * tus-js-client can send parts of a file in parallel where the server can put them together, which @tus/server 2 cannot:
 * its file store has no concatenation. So it sends one stream, without a chunk size, as its documentation advises.
 */
export const tus: Contestant = {
  name: 'tus',
  missing: () => (existsSync(MODULES) ? undefined : 'tus (bash .ci/get-tus)'),
  versions: () => [
    `tus-js-client ${versionIn('tus-js-client')} with @tus/server ${versionIn('@tus/server')}, one stream: this server has no concatenation, which parallelUploads needs`,
  ],
  setUp: async (ground) => {
    const root = path.join(ground.folder, 'root');
    mkdirSync(root, { recursive: true });
    const port = await freePort();
    const server = await startServer(
      { words: [process.execPath, SERVER, MODULES, root, String(port)] },
      port,
    );
    const endpoint = `http://127.0.0.1:${await ground.via(port)}/files/`;
    return {
      servers: [server.pid],
      // The server names uploads itself, and keeps a description beside each.
      served: () => path.join(root, readdirSync(root).find((name) => !name.endsWith('.json')) ?? 'nothing'),
      push: (source) => ({ words: [process.execPath, CLIENT, MODULES, source, endpoint] }),
      close: () => server.stop(),
    };
  },
};
