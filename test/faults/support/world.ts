/** A place for one fault: a server over a root, a client's state, a source, and sentinels around the root. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startCairn, type CliEnvironment, type CliResult, type CliRun } from '../../support/cli.ts';
import { startDiskServer, type DiskServer, type DiskServerOptions } from '../../support/servers.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { checkNoCredentials, checkSecrets, type Told, whatIsThere } from './invariants.ts';
import { Violation } from './violation.ts';

/** Everything that a case works on. Directories go when the test ends. */
export interface World {
  /** Holds all others. */
  readonly directory: string;
  readonly server: DiskServer;
  /** What is served. */
  readonly root: string;
  /** State of the client. */
  readonly clientHome: string;
  /** Environment of the client, with the server's token. */
  readonly environment: CliEnvironment;
  /** Runs `cairn ARGS` with `--json` to its end; what it says is kept for the check of secrets. */
  run(args: readonly string[], more?: Partial<CliEnvironment>): Promise<Told>;
  /** Starts `cairn ARGS --json`. */
  start(args: readonly string[], more?: Partial<CliEnvironment>): CliRun & { readonly result: Promise<Told> };
  /** Nothing lies outside of the root that did not before, and no secret, of anybody, is in a log or a readable file. */
  checkSurroundings(): void;
  /** Removes all of it now, for cases that make hundreds of worlds in one test. Nothing of it may run any more. */
  remove(): void;
}

/** Where parts of a world lie, where not in a directory of its own. */
export interface WorldOptions extends DiskServerOptions {
  readonly clientHome?: string;
  /** A tree that the root begins as a copy of. */
  readonly template?: string;
}

/** Makes a world and starts its server. */
export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const directory = temporaryDirectory();
  const root = options.root ?? path.join(directory, 'root');
  const clientHome = options.clientHome ?? path.join(directory, 'client');
  mkdirSync(root, { recursive: true });
  if (options.template !== undefined) copyTree(options.template, root);
  mkdirSync(clientHome, { recursive: true, mode: 0o700 });
  const sentinel = randomBytes(64);
  writeFileSync(path.join(directory, 'sentinel'), sentinel);
  const server = await startDiskServer({ ...options, root });
  const environment: CliEnvironment = { stateHome: clientHome, token: server.token };
  const texts: string[] = [];
  const start: World['start'] = (args, more = {}) => {
    const used = { ...environment, ...more };
    const { child, result } = startCairn([...args, '--json'], used);
    const told = result.then((ended) => {
      texts.push(ended.stdout.toString(), ended.stderr);
      return { ...ended, hasRecord: args[0] === 'serve' ? undefined : hasRecord(used.stateHome, ended) };
    });
    return { child, result: told };
  };
  return {
    directory,
    server,
    root,
    clientHome,
    environment,
    start,
    run: (args, more) => start(args, more).result,
    checkSurroundings: () => {
      checkSentinel(directory, sentinel);
      const said = [...texts, server.log()];
      checkSecrets([server.token], said, [root, clientHome]);
      checkNoCredentials(said);
    },
    remove: () => {
      for (const place of [directory, server.stateHome, root, clientHome])
        rmSync(place, { recursive: true, force: true });
    },
  };
}

/**
 * Whether a client has written down any transfer that it did not finish; undefined where its disk has lost its power. What
 * could not be synced counts as not written.
 */
function hasRecord(stateHome: string, { last }: CliResult): boolean | undefined {
  const transfers = path.join(stateHome, 'transfers');
  const isUnsynced = (folder: string): boolean =>
    String(last['message']).includes(`syncing the directory "${folder}"`);
  try {
    const folders = whatIsThere(() => readdirSync(transfers)).map((key) => path.join(transfers, key));
    return folders.some((folder) => existsSync(path.join(folder, 'transfer.json')) && !isUnsynced(folder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EIO') return undefined;
    throw error;
  }
}

/** Copies a tree with all times to the nanosecond, into a directory that is there. */
export function copyTree(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  const copied = spawnSync('cp', ['-a', `${from}/.`, to]);
  if (copied.status !== 0) throw new Error(`cp failed: ${copied.stderr.toString()}`);
}

/** Names that a world, and the cases in it, put beside its root. Cases add theirs below `work`. */
const KNOWN = new Set(['root', 'client', 'sentinel', 'work']);

function checkSentinel(directory: string, sentinel: Buffer): void {
  const strange = readdirSync(directory).filter((name) => !KNOWN.has(name));
  if (strange.length > 0) throw new Violation('outside', `beside the root: ${strange.join(', ')}`);
  if (!readFileSync(path.join(directory, 'sentinel')).equals(sentinel))
    throw new Violation('outside', 'the sentinel was changed');
}

/** A folder of a case in its world, for sources and destinations. */
export function workFolder({ directory }: World, name: string): string {
  const folder = path.join(directory, 'work', name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
