/** cairn with its defaults, as its users start it. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { startServer, type ServerProcess } from '../processes.ts';
import type { Command } from '../measure.ts';
import type { Contestant, Ground, Seat } from './contestant.ts';
import { freePort } from '../../support/free-port.ts';

/** The command line of this working copy. */
export const CAIRN_BIN = path.resolve(import.meta.dirname, '../../bin/cairn.js');

/** A seat of cairn, of which more is known. */
export interface CairnSeat extends Seat {
  readonly url: string;
  readonly root: string;
  readonly tokenFile: string;
  readonly server: ServerProcess;
  /** Any command of the client. */
  command(...words: readonly string[]): Command;
}

/** How to run cairn. */
export interface CairnOptions {
  /** This port again: a server that is started once more. */
  readonly again?: { readonly port: number };
  /** More words for `cairn serve`. */
  readonly serveArgs?: readonly string[];
}

/** Starts `cairn serve`. */
export async function seatCairn(ground: Ground, options: CairnOptions = {}): Promise<CairnSeat> {
  const root = path.join(ground.folder, 'root');
  const stateHome = path.join(ground.folder, 'client');
  mkdirSync(root, { recursive: true });
  mkdirSync(stateHome, { recursive: true, mode: 0o700 });
  const port = options.again?.port ?? (await freePort());
  const env = { CAIRN_STATE_HOME: stateHome, NODE_ENV: 'production' };
  const listen = `127.0.0.1:${port}`;
  const usual = ['serve', '--root', root, '--listen', listen, '--log-level', 'error'];
  const words = [...usual, ...(options.serveArgs ?? [])];
  const server = await startServer({ words: [process.execPath, CAIRN_BIN, ...words], env }, port);
  const url = `http://127.0.0.1:${await ground.via(port)}`;
  const tokenFile = path.join(root, '.cairn/token');
  const command = (...more: readonly string[]): Command => ({
    words: [process.execPath, CAIRN_BIN, ...more],
    env,
  });
  const flags = ['--quiet', '--token-file', tokenFile];
  return {
    url,
    root,
    tokenFile,
    server,
    command,
    servers: [server.pid],
    served: (name) => path.join(root, name),
    push: (source, name) => command('push', ...flags, source, `${url}/${name}`),
    pull: (name, target) => command('pull', ...flags, `${url}/${name}`, target),
    close: () => server.stop(),
  };
}

/** cairn, the one that everybody is compared with. */
export const cairn: Contestant = {
  name: 'cairn',
  missing: () => undefined,
  versions: () => {
    const { stdout } = spawnSync(process.execPath, [CAIRN_BIN, '--version'], { encoding: 'utf8' });
    return [`cairn ${stdout.trim()} on Node ${process.version}, its defaults (--sync group)`];
  },
  setUp: (ground) => seatCairn(ground),
};
