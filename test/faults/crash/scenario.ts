/** A small transfer over an older version of its tree, prepared once and copied for every kill. */
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startDiskServer } from '../../support/servers.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { copyTree, createWorld, workFolder, type World } from '../support/world.ts';

/** The smallest chunks there are: several to a file of some hundred KiB. */
const CHUNK_BYTES = 64 * 1024;
/** Where the tree is at the server. */
const TARGET = 'tree';

/** What is moved, and what lay at its target before. */
export interface Scenario {
  readonly direction: 'push' | 'pull';
  /** The tree that is to arrive, and the older one that it takes the place of. */
  readonly fresh: string;
  readonly old: string;
  /** The root of a server that has run before, with what it needs for the transfer. */
  readonly rootTemplate: string;
  /** Bytes that one transfer moves. */
  readonly bytesTotal: number;
  readonly chunkBytes: number;
  readonly extraArgs: readonly string[];
}

/** What differs from the smallest transfer. */
export interface ScenarioOptions {
  readonly chunkBytes?: number;
  /** For the client. */
  readonly extraArgs?: readonly string[];
  /** Writes the new tree, and after a copy of it was made the older one. */
  readonly write?: (root: string, age: 'fresh' | 'old') => void;
}

/** Prepares a scenario; its directories go when the test ends. */
export async function prepareScenario(
  direction: 'push' | 'pull',
  { extraArgs = [], chunkBytes = CHUNK_BYTES, write = writeSmallTree }: ScenarioOptions = {},
): Promise<Scenario> {
  const base = temporaryDirectory();
  const [fresh, old] = [path.join(base, 'fresh'), path.join(base, 'old')];
  mkdirSync(fresh);
  write(fresh, 'fresh');
  copyTree(fresh, old);
  write(old, 'old');
  const rootTemplate = path.join(base, 'root');
  mkdirSync(rootTemplate);
  const server = await startDiskServer({ root: rootTemplate });
  await server.stop();
  copyTree(direction === 'push' ? old : fresh, path.join(rootTemplate, TARGET));
  const bytesTotal = bytesToMove(fresh, old);
  return { direction, fresh, old, rootTemplate, bytesTotal, chunkBytes, extraArgs };
}

/** Some of everything: several chunks, one chunk, packed files, none, a link, directories; one file stays the same. */
function writeSmallTree(root: string, age: 'fresh' | 'old'): void {
  const write = (name: string, sizeBytes: number): void => {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), randomBytes(sizeBytes));
  };
  const more = age === 'fresh' ? 0 : 77;
  write('large', 3 * CHUNK_BYTES + 5000 + more);
  write('exact', CHUNK_BYTES + more);
  for (const number of [0, 1, 2, 3]) write(`many/${number}`, 100 + number * 700 + more);
  write('empty', more);
  rmSync(path.join(root, 'link'), { force: true });
  symlinkSync(age === 'fresh' ? 'many/0' : 'large', path.join(root, 'link'));
  if (age === 'old') {
    rmSync(path.join(root, 'new-directory'), { recursive: true });
    return;
  }
  write('same', 300);
  write('new-directory/deeper/file', 900);
  write('new-directory/deeper/large', CHUNK_BYTES + 900);
  mkdirSync(path.join(root, 'new-directory/empty'));
}

/** Bytes of the files that are not at the target as they are to be. */
function bytesToMove(fresh: string, old: string): number {
  let bytes = 0;
  for (const name of readdirSync(fresh, { recursive: true, encoding: 'utf8' })) {
    const [is, was] = [fresh, old].map((tree) => lstatSync(path.join(tree, name), { throwIfNoEntry: false }));
    if (!is!.isFile() || (is!.size === was?.size && is!.mtimeMs === was.mtimeMs)) continue;
    bytes += is!.size;
  }
  return bytes;
}

/** A scenario in a world of its own. */
export interface Scene {
  readonly scenario: Scenario;
  readonly world: World;
  /** The words after `cairn`. */
  readonly args: readonly string[];
  /** Where the tree arrives, and the directory below which it is staged until then. */
  readonly target: string;
  readonly stagingRoot: string;
}

/**
 * Makes a world for a scenario. Its server is not started; remove it when nothing of it runs any more.
 *
 * @param through the port of what stands between client and server, made from the server's
 */
export async function openScene(
  scenario: Scenario,
  through: (port: number) => Promise<number> = async (port) => port,
): Promise<Scene> {
  const { direction, fresh, old, rootTemplate, chunkBytes, extraArgs } = scenario;
  const world = await createWorld({ template: rootTemplate, isStartedLater: true });
  const url = `http://127.0.0.1:${await through(world.server.port)}/${TARGET}`;
  const options = ['--chunk-size', String(chunkBytes), '--retry-for', '120s', ...extraArgs];
  if (direction === 'push') {
    const target = path.join(world.root, TARGET);
    return { scenario, world, args: ['push', ...options, fresh, url], target, stagingRoot: world.root };
  }
  const target = workFolder(world, 'arrived');
  copyTree(old, target);
  return { scenario, world, args: ['pull', ...options, url, target], target, stagingRoot: target };
}
