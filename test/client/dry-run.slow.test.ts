/** A dry run names what a run then does: compared with what has changed at the destination, for any two trees. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, lutimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TransferEvent } from '../../src/client/api/events.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { rulesIn } from '../../src/manifest/selection-rules.ts';
import { SELECT_ALL } from '../../src/manifest/selection.ts';
import { pictureOf, temporaryDirectory } from '../support/trees.ts';
import { openScene, TOKEN, type Scene } from './support/scene.ts';

type Node =
  | { readonly type: 'file'; readonly content: string; readonly mode: number; readonly time: number }
  | { readonly type: 'link'; readonly content: string; readonly time: number }
  | {
      readonly type: 'directory';
      readonly children: Readonly<Record<string, Node | undefined>>;
      readonly mode: number;
      readonly time: number;
    };

const NAMES = ['a', 'b', 'c'];
/** Some have one size. */
const CONTENTS = ['', 'one', 'two', 'three'];
const time = fc.constantFrom(1_500_000_000, 1_600_000_000);
const file = fc.record({
  type: fc.constant('file' as const),
  content: fc.constantFrom(...CONTENTS),
  mode: fc.constantFrom(0o644, 0o600),
  time,
});
const link = fc.record({
  type: fc.constant('link' as const),
  content: fc.constantFrom('a', 'nowhere'),
  time,
});
const directoryOf = (child: fc.Arbitrary<Node>): fc.Arbitrary<Node> =>
  fc.record({
    type: fc.constant('directory' as const),
    children: fc.dictionary(fc.constantFrom(...NAMES), child, { maxKeys: NAMES.length }),
    mode: fc.constantFrom(0o755, 0o700),
    time,
  });
const trees = directoryOf(
  fc.oneof({ weight: 2, arbitrary: file }, link, {
    weight: 2,
    arbitrary: directoryOf(fc.oneof({ weight: 3, arbitrary: file }, link, directoryOf(file))),
  }),
);

const wishes = fc.record({
  isMirror: fc.boolean(),
  keepsOld: fc.boolean(),
  checksum: fc.boolean(),
  forceReplace: fc.boolean(),
  excluded: fc.constantFrom(undefined, 'c', '/a/', 'b/c'),
});

type Wishes = typeof wishes extends fc.Arbitrary<infer T> ? T : never;

function build(at: string, node: Node): void {
  rmSync(at, { recursive: true, force: true });
  if (node.type === 'file') writeFileSync(at, node.content);
  else if (node.type === 'link') symlinkSync(node.content, at);
  else {
    mkdirSync(at, { recursive: true });
    for (const [name, child] of Object.entries(node.children))
      if (child !== undefined) build(path.join(at, name), child);
  }
  if (node.type !== 'link') chmodSync(at, node.mode);
  lutimesSync(at, node.time, node.time);
}

const typeOf = (line: string | undefined): string | undefined => line?.split(' ')[0];

/** A line of a picture without what is no content: the mode, and the time, which tells of files that are not compared. */
function contentIn(line: string, checksum: boolean): string {
  const [type, ...words] = line.split(' ');
  if (type === 'link') return words.slice(2).join(' ');
  if (type === 'directory') return '';
  return words.slice(checksum ? 2 : 1).join(' ');
}

/** Whether a directory has only got another time, as it does when something in it comes or goes. */
function isTouched(old: string, now: string): boolean {
  const modeOf = (line: string): string => line.split(' ').slice(0, 2).join(' ');
  return typeOf(old) === 'directory' && modeOf(old) === modeOf(now);
}

/** What has happened to each path, in the words of a dry run. The times of directories that `carried` does not have as such are left out. */
function happened(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
  { checksum, carried }: { readonly checksum: boolean; readonly carried: Readonly<Record<string, string>> },
): Record<string, string> {
  const changes: Record<string, string> = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, now] = [before[name], after[name]];
    if (old === now) continue;
    if (old === undefined) changes[name] = 'new';
    else if (now === undefined) changes[name] = 'delete';
    else if (typeOf(carried[name]) === 'directory' || !isTouched(old, now)) {
      const isSame = typeOf(old) === typeOf(now) && contentIn(old, checksum) === contentIn(now, checksum);
      changes[name] = isSame ? 'attributes' : 'changed';
    }
  }
  return changes;
}

/** What a dry run has told of each path; `root` is its name for the whole. */
function wouldIn(events: readonly TransferEvent[], root: string): Record<string, string> {
  const would = events.flatMap((event) => {
    if (event.type !== 'would') return [];
    return [[event.path === root ? '' : event.path, event.change === 'same-size' ? 'changed' : event.change]];
  });
  return Object.fromEntries(would) as Record<string, string>;
}

function warnedIn(events: readonly TransferEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'warning' ? [`${event.code} ${event.path}`] : []));
}

/** Runs a transfer and answers its events. */
type Transfer = (options: Partial<TransferOptions>) => Promise<TransferEvent[]>;

interface Ends {
  readonly source: string;
  readonly destination: string;
  /** Where a backup directory is, and how the options name it. */
  readonly backup: { readonly at: string; readonly named: string };
  readonly transfer: Transfer;
}

function endsOf(scene: Scene, direction: 'push' | 'pull', count: number): Ends {
  const [here, there] = [path.join(temporaryDirectory(), `${count}`), path.join(scene.root, `${count}`)];
  const isPush = direction === 'push';
  const old = `${isPush ? there : here}-old`;
  const urlPath = `/${count}`;
  return {
    source: isPush ? here : there,
    destination: isPush ? there : here,
    backup: { at: old, named: isPush ? `${urlPath}-old` : old },
    transfer: async (more) => {
      const events: TransferEvent[] = [];
      const options = scene.options(urlPath, { ...more, report: (event) => void events.push(event) });
      await (isPush ? push([here], options) : pull(here, options));
      return events;
    },
  };
}

function optionsOf(
  { isMirror, keepsOld, excluded, ...rest }: Wishes,
  { backup }: Ends,
): Partial<TransferOptions> {
  return {
    ...rest,
    ...(isMirror ? { mirror: { maxDelete: { percent: 100 }, isAnyway: false } } : {}),
    ...(keepsOld ? { backupDirectory: backup.named, forceReplace: false } : {}),
    ...(excluded === undefined
      ? {}
      : { selection: { ...SELECT_ALL, rules: rulesIn(`${excluded}\n`, '--exclude') } }),
  };
}

describe.each(['push', 'pull'] as const)('dry runs of a %s', (direction) => {
  test(`a dry run of a ${direction} names each entry with which something then happens, and what, and no other one`, async () => {
    const scene = await openScene('disk');
    let count = 0;
    await fc.assert(
      fc.asyncProperty(trees, trees, wishes, async (from, to, wish) => {
        const ends = endsOf(scene, direction, (count += 1));
        build(ends.source, from);
        build(ends.destination, to);
        const before = pictureOf(ends.destination);
        const options = optionsOf(wish, ends);
        const told = await ends.transfer({ ...options, dryRun: true });
        expect(pictureOf(ends.destination)).toEqual(before);
        const ran = await ends.transfer(options);
        const root = direction === 'push' ? '.' : String(count);
        expect({ would: wouldIn(told, root), warned: warnedIn(told) }).toEqual({
          would: happened(before, pictureOf(ends.destination), { ...wish, carried: pictureOf(ends.source) }),
          warned: warnedIn(ran),
        });
      }),
      { numRuns: 60 },
    );
  }, 240_000);

  test(`a dry run of a ${direction} names what it can neither replace nor compare, as the run then does`, async () => {
    const scene = await openScene('disk');
    const ends = endsOf(scene, direction, 1);
    const content = { type: 'file', content: 'new', mode: 0o644, time: 1_600_000_000 } as const;
    const inIt = { type: 'directory', children: { a: content }, mode: 0o755, time: 1_600_000_000 } as const;
    const children = { a: content, b: content, c: inIt, d: inIt, gone: content };
    build(ends.source, { ...inIt, children });
    build(ends.destination, { ...inIt, children: { ...children, b: inIt, c: content } });
    rmSync(path.join(ends.source, 'gone'));
    for (const name of ['a', 'b/pipe', 'd/a']) {
      rmSync(path.join(ends.destination, name), { force: true });
      execFileSync('mkfifo', [path.join(ends.destination, name)]);
    }
    const options = { mirror: { maxDelete: { percent: 100 }, isAnyway: false } };
    const told = await ends.transfer({ ...options, dryRun: true });
    const ran = await ends.transfer(options);
    expect(warnedIn(told)).toEqual(warnedIn(ran));
    expect(warnedIn(told)).toContain('storage-unsupported a');
    expect(existsSync(path.join(ends.destination, 'gone'))).toBe(true);
    expect(Object.keys(wouldIn(told, '.'))).not.toContain('gone');
  });
});

test('a dry run with a token that may not replace names what is there already, as the push then does', async () => {
  const scopes = ['append', 'list', 'read'] as const;
  const scene = await openScene('disk', { authenticators: [createStaticToken(TOKEN, { scopes })] });
  const ends = endsOf(scene, 'push', 1);
  const fileOf = (content: string): Node => ({ type: 'file', content, mode: 0o644, time: 1_600_000_000 });
  const tree = { type: 'directory', mode: 0o755, time: 1_600_000_000 } as const;
  const inIt = { ...tree, children: { a: fileOf('x') } };
  build(ends.source, {
    ...tree,
    children: { a: fileOf('new'), b: fileOf('new'), c: inIt, d: fileOf('same'), e: inIt },
  });
  build(ends.destination, {
    ...tree,
    children: { a: fileOf('old!'), c: fileOf('old'), d: fileOf('same'), e: { ...tree, children: {} } },
  });
  const before = pictureOf(ends.destination);
  const told = await ends.transfer({ dryRun: true });
  const ran = await ends.transfer({});
  expect(warnedIn(told)).toEqual(warnedIn(ran));
  expect(warnedIn(told)).toContain('destination-exists a');
  const how = { checksum: false, carried: {} };
  expect(wouldIn(told, '.')).toEqual(happened(before, pictureOf(ends.destination), how));
});
