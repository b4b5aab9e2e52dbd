/**
 * A mirror of many entries with all their metadata, of which a part was added, changed, removed, renamed and retyped,
 * killed at ten random moments: rsync finds nothing to do afterwards. Scaled by the environment:
 *
 *     CAIRN_MIRROR_ENTRIES=100000   entries of a made-up tree (default: 1,500)
 *     CAIRN_MIRROR_TREE=DIR         a real tree in its place, which is copied
 *     CAIRN_MIRROR_SEED=1           another choice of entries and moments
 */
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startCairn, type CliRun } from '../support/cli.ts';
import { canKeepMetadata, differences, setXattr } from '../support/metadata-tree.ts';
import { createRandom } from '../support/random.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const { CAIRN_MIRROR_ENTRIES = '1500', CAIRN_MIRROR_TREE, CAIRN_MIRROR_SEED = '7' } = process.env;
const KILLS = 10;
/** One entry in so many is changed in each of the ways. */
const ONE_IN = 100;
const FOLDER_FILES = 50;
const HOURS = 3_600_000;
const LONGEST_WAIT_MS = 25_000;

type Random = () => number;

const below = (random: Random, end: number): number => Math.floor(random() * end);

/** Files of up to 40 kB in a tree of directories, with owners, attributes and hard links among them. */
function makeTree(root: string, entries: number, random: Random): void {
  for (let n = 0; n < entries; n += 1) {
    const folder = path.join(root, `d${n % 7}`, `e${Math.floor(n / FOLDER_FILES)}`);
    const file = path.join(folder, `file-${n}`);
    if (n % FOLDER_FILES < 7) mkdirSync(folder, { recursive: true });
    writeFileSync(file, Buffer.alloc(below(random, 40_000), `${n} `));
    chownSync(file, 1000 + (n % 9), 2000 + (n % 5));
    if (n % 10 === 0) setXattr(file, 'user.n', `${n}`);
    if (n % 50 === 3) linkSync(file, `${file}-again`);
    if (n % 50 === 5) symlinkSync('elsewhere', `${file}-link`);
  }
}

/** The files of a tree, but those with further names. */
function filesOf(root: string): string[] {
  const all = readdirSync(root, { recursive: true, withFileTypes: true });
  return all
    .filter((each) => each.isFile())
    .map((each) => path.join(each.parentPath, each.name))
    .filter((file) => lstatSync(file).nlink === 1);
}

/** Adds, changes, removes, renames and retypes so many files each. */
function change(root: string, each: number, random: Random, round: number): void {
  const files = filesOf(root);
  const take = (): string => files.splice(below(random, files.length), 1)[0]!;
  for (let n = 0; n < each; n += 1) {
    const added = path.join(path.dirname(take()), `added-${round}-${n}`);
    writeFileSync(added, Buffer.alloc(below(random, 20_000), added));
    if (n % 2 === 0) writeFileSync(take(), `changed in round ${round}`);
    else truncateSync(take(), below(random, 60_000));
    rmSync(take());
    renameSync(take(), path.join(path.dirname(take()), `renamed-${round}-${n}`));
    retype(take(), n);
  }
  // A whole directory moves, too.
  const folders = readdirSync(root, { withFileTypes: true }).filter((one) => one.isDirectory());
  const [folder] = folders;
  if (folder !== undefined) renameSync(path.join(root, folder.name), path.join(root, `moved-${round}`));
}

function retype(file: string, n: number): void {
  rmSync(file);
  if (n % 3 === 0) symlinkSync('somewhere', file);
  else if (n % 3 === 1) {
    mkdirSync(file);
    writeFileSync(path.join(file, 'inside'), 'x');
  } else {
    writeFileSync(`${file}-first`, 'first');
    linkSync(`${file}-first`, file);
  }
}

test.skipIf(!canKeepMetadata)(
  'a mirror of many entries that was killed at ten random moments is the same for rsync (needs root)',
  { timeout: 4 * HOURS },
  async () => {
    const random = createRandom(Number(CAIRN_MIRROR_SEED));
    const source = temporaryDirectory();
    if (CAIRN_MIRROR_TREE === undefined) makeTree(source, Number(CAIRN_MIRROR_ENTRIES), random);
    // Set-id bits of files and attributes of the system are never carried.
    else
      execFileSync('rsync', [
        '-aHAXS',
        '--chmod=Fug-s',
        '--filter=-x security.*',
        `${CAIRN_MIRROR_TREE}/`,
        `${source}/`,
      ]);
    const server = await startDiskServer({ extraArgs: ['--allow-owners'] });
    const there = path.join(server.root, 't');
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const mirror = ['push', '--json', '--archive', '--delete', '--max-delete', '100%', '--retry-for', '10m'];
    const start = (): CliRun => startCairn([...mirror, source, `${server.url}/t`], environment);
    const begunAt = performance.now();
    expect((await start().result).last).toMatchObject({ exitCode: 0, unkept: 0 });
    const firstMs = performance.now() - begunAt;
    expect(differences(source, there)).toBe('');

    const each = Math.ceil(filesOf(source).length / ONE_IN);
    let [kills, rounds]: [number, number] = [0, 0];
    let run: CliRun | undefined;
    const victims = { client: 0, server: 0 };
    while (kills < KILLS) {
      if (run === undefined) {
        if (rounds === 0 || victims.client + victims.server > 0) change(source, each, random, (rounds += 1));
        run = start();
      }
      const ended = run.result.then((result) => ({ result }));
      const outcome = await Promise.race([ended, sleep(random() * Math.min(firstMs * 0.4, LONGEST_WAIT_MS))]);
      if (outcome !== undefined) {
        expect(outcome.result.last).toMatchObject({ exitCode: 0, unkept: 0 });
        run = undefined;
        continue;
      }
      kills += 1;
      if (random() < 0.5) {
        victims.server += 1;
        await server.kill();
        await server.start();
      } else {
        victims.client += 1;
        run.child.kill('SIGKILL');
        await run.result;
        run = start();
      }
    }
    expect((await (run ?? start()).result).last).toMatchObject({ exitCode: 0, unkept: 0 });
    const last = (await start().result).last;
    expect(last).toMatchObject({ exitCode: 0, changed: 0, entriesDeleted: 0 });
    expect(differences(source, there)).toBe('');
    process.stderr.write(
      `${JSON.stringify({ entries: last['entries'], each, rounds, ...victims, firstMs: Math.round(firstMs) })}\n`,
    );
  },
);
