import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const SRC = path.resolve(import.meta.dirname, '../src');

/** No command knows another one. */
function commandRooms(floor: number): Record<string, number> {
  const names = readdirSync(path.join(SRC, 'cli/commands'));
  return Object.fromEntries(names.map((name) => [`cli/commands/${name}`, floor]));
}

/**
 * A room imports only from rooms on lower floors. Each folder belongs to the longest name that it begins with, so that a
 * folder can have rooms of its own.
 */
const FLOORS: Readonly<Record<string, number>> = {
  'base': 0,
  'manifest': 10,
  'session': 20,
  'checkpoint': 20,
  'wire': 30,
  'transfer': 40,
  'storage': 50,
  'storage/objects': 51,
  'storage/objects/memory': 52,
  'storage/objects/directory': 52,
  'storage/objects/s3': 52,
  'storage/entry-tree': 52,
  'storage/object-content': 53,
  'storage/disk/tree': 51,
  'storage/disk/staging': 52,
  'storage/disk/publish': 53,
  'storage/disk': 54,
  'storage/state': 54,
  'storage/state/files': 55,
  'storage/state/objects': 55,
  'storage/state/redis': 55,
  'storage/copy': 56,
  'server/core': 61,
  'server/access': 61,
  'server/http': 62,
  'server/front-ends': 63,
  'server/operations': 63,
  'server': 64,
  'client/api': 60,
  'client/http': 61,
  'client/session': 62,
  'client/state': 62,
  'client/transfer': 63,
  'client/push': 64,
  'client/pull': 64,
  'client/doctor': 64,
  'client': 65,
  'cli/report': 70,
  'cli/screen': 71,
  'cli/process': 72,
  'cli/options': 73,
  'cli/help': 73,
  'cli/access': 74,
  'cli': 76,
  'cli/man': 77,
  ...commandRooms(75),
};
/** Both sides of the wire: neither sees the other, whatever the floors of its rooms are. */
const SIDES = new Set(['server', 'client']);
/** What speaks HTTP; a type of a message is enough to be found. */
const HTTP_ROOMS = ['base/incoming-body.ts', 'storage/objects/s3/', 'server/', 'client/', 'cli/'];
const WITHOUT_HTTP = ['server/core/', 'server/access/'];
/** Headers, statuses and heads of messages. */
const WIRE_OF_HTTP = /^wire\/(?:routes|problem|message-head|server-proof)\.ts$/;
/** Implementations of stores, and who chooses one; everything else sees the interface. */
const IMPLEMENTATIONS =
  /^storage\/(?:disk|object-content|objects\/(?:memory|directory|s3)\/|state\/(?:files\/|objects\/|redis\/|local-session-store))/;
const CHOOSERS = /^(?:storage|cli|client\/push\/source-roots\.ts|client\/pull\/pull-staging\.ts)/;
const WITHOUT_EMITTERS = new Set([
  'base',
  'manifest',
  'session',
  'checkpoint',
  'wire',
  'transfer',
  'storage',
]);
const MAX_LINES = 300;

/** What belongs to a pass and never to the session around it, which may have two one day. */
const OF_A_PASS = 'direction';

interface Source {
  /** Path below `src/`, with slashes. */
  readonly file: string;
  readonly text: string;
}

interface Import {
  readonly specifier: string;
  /** What stands between `import` and `from`; empty for `import 'x'` and `import('x')`. */
  readonly clause: string;
}

const STATIC_IMPORT = /^[ \t]*(?:import|export)\b([^'"`;=()]*?)\bfrom\s*(['"])([^'"\n]+)\2/gm;
const BARE_IMPORT = /^[ \t]*import\s*(['"])([^'"\n]+)\1/gm;
const DYNAMIC_IMPORT = /\bimport\s*\(\s*(['"`])([^'"`\n]+)\1/g;

/** Static, type-only, side-effect and dynamic imports, and re-exports; comment lines do not count. */
function importsOf(text: string): Import[] {
  const code = text.replaceAll(/^[ \t]*(?:\/\/|\/?\*).*$/gm, '');
  return [
    ...Array.from(code.matchAll(STATIC_IMPORT), (m) => ({ clause: m[1]!.trim(), specifier: m[3]! })),
    ...Array.from(code.matchAll(BARE_IMPORT), (m) => ({ clause: '', specifier: m[2]! })),
    ...Array.from(code.matchAll(DYNAMIC_IMPORT), (m) => ({ clause: '', specifier: m[2]! })),
  ];
}

const folderOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '');

/** The room that a file is in; empty where it is in none. */
function roomOf(file: string): string {
  let folder = path.posix.dirname(file);
  while (folder !== '.' && FLOORS[folder] === undefined) folder = path.posix.dirname(folder);
  return folder === '.' ? '' : folder;
}

const isPackage = (specifier: string, name: string): boolean =>
  specifier === name || specifier.startsWith(`${name}/`);

function faultOfRelative(file: string, specifier: string): string | undefined {
  const target = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier));
  const from = roomOf(file);
  const to = roomOf(target);
  if (target.startsWith('../')) return `leaves src/ by ${specifier}`;
  if (!specifier.endsWith('.ts')) return `imports ${specifier} without its .ts extension`;
  if (IMPLEMENTATIONS.test(target) && !CHOOSERS.test(file))
    return `imports ${specifier}, which implements a store`;
  const [side, otherSide] = [folderOf(file), folderOf(target)];
  if (SIDES.has(side) && SIDES.has(otherSide) && side !== otherSide)
    return `imports ${otherSide}/, which is the other side of the wire`;
  if (WIRE_OF_HTTP.test(target) && WITHOUT_HTTP.some((room) => file.startsWith(room)))
    return `imports ${specifier}, which is about HTTP`;
  if (from === to) return undefined;
  const floor = FLOORS[from];
  const below = FLOORS[to];
  if (floor === undefined || below === undefined) return `imports ${specifier}, which is on no floor`;
  return below < floor ? undefined : `imports ${to}/ (floor ${below}) from ${from}/ (floor ${floor})`;
}

function faultOfPackage(file: string, { specifier, clause }: Import): string | undefined {
  const folder = folderOf(file);
  // Its parser ends the process where a connection is closed while it is paused (undici issue 5360): no bodies of unknown length.
  if (isPackage(specifier, 'undici') && file !== 'client/http/issuer-requests.ts') return 'imports undici';
  const isHttp = /^(?:node:)?https?2?$/.test(specifier);
  const isHttpRoom =
    HTTP_ROOMS.some((room) => file.startsWith(room)) && !WITHOUT_HTTP.some((room) => file.startsWith(room));
  if (isHttp && !isHttpRoom) return `imports ${specifier}`;
  if (isPackage(specifier, 'p-retry') && folder !== 'client') return 'imports p-retry outside src/client';
  const takesOnlyOthers =
    clause.includes('{') && !/\bEventEmitter\b|\bdefault\b|^(?:type\s+)?\w+\s*,/.test(clause);
  if (/^(?:node:)?events$/.test(specifier) && !takesOnlyOthers && WITHOUT_EMITTERS.has(folder)) {
    return `imports EventEmitter in ${folder}/`;
  }
  return undefined;
}

/** The names of the members of an interface, as it is written; those that it inherits are not among them. */
function membersOf(text: string, name: string): string[] {
  const body = new RegExp(`\\binterface ${name}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(text)?.[1] ?? '';
  return Array.from(body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm), (member) => member[1]!);
}

function faultsOfFile({ file, text }: Source): string[] {
  const faults: string[] = [];
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  if (roomOf(file) === '') faults.push('is in no folder of the house');
  if (path.posix.basename(file) === 'index.ts') faults.push('is a barrel');
  if (/(?:^|\/)utils?(?:\/|\.)/.test(file)) faults.push('is named utils');
  if (membersOf(text, 'SessionRecord').includes(OF_A_PASS))
    faults.push(`gives the session record a ${OF_A_PASS}, which belongs to its pass`);
  if (lines > MAX_LINES) faults.push(`has ${lines} lines, more than ${MAX_LINES}`);
  return faults;
}

/** Everything in the sources that breaks the rules of the house, one line each. */
function faultsOf(sources: readonly Source[]): string[] {
  return sources.flatMap((source) => {
    const ofImports = importsOf(source.text).map((found) =>
      found.specifier.startsWith('.')
        ? faultOfRelative(source.file, found.specifier)
        : faultOfPackage(source.file, found),
    );
    const faults = [...faultsOfFile(source), ...ofImports.filter((fault) => fault !== undefined)];
    return faults.map((fault) => `${source.file} ${fault}`);
  });
}

/** Files that import each other in a circle, of types either, one line a circle. */
function circlesIn(sources: readonly Source[]): string[] {
  const files = new Set(sources.map(({ file }) => file));
  const imports = new Map(
    sources.map(({ file, text }) => {
      const targets = importsOf(text).map(({ specifier }) =>
        path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier)),
      );
      return [file, targets.filter((target) => files.has(target))];
    }),
  );
  const reachable = new Map([...files].map((file) => [file, reachableFrom(file, imports)]));
  const circles = [...files].map((file) =>
    [...files]
      .filter((other) => reachable.get(file)!.has(other) && reachable.get(other)!.has(file))
      .toSorted(),
  );
  return [...new Set(circles.filter((circle) => circle.length > 0).map((circle) => circle.join(' ')))];
}

function reachableFrom(start: string, imports: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const reached = new Set<string>();
  const open = [start];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const target of imports.get(file) ?? []) {
      if (reached.has(target)) continue;
      reached.add(target);
      open.push(target);
    }
  }
  return reached;
}

function readSources(): Source[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({
      file: file.replaceAll(path.sep, '/'),
      text: readFileSync(path.join(SRC, file), 'utf8'),
    }));
}

describe('the checker', () => {
  const bad: [why: string, file: string, text: string, fault: string][] = [
    ['a static import upwards', 'base/a.ts', `import { x } from '../cli/x.ts';`, 'imports cli/'],
    [
      'a type import upwards',
      'session/a.ts',
      `import type { X } from '../storage/x.ts';`,
      'imports storage/',
    ],
    ['a dynamic import upwards', 'session/a.ts', `await import('../server/x.ts');`, 'imports server/'],
    ['a type query upwards', 'base/a.ts', `type X = import('../cli/x.ts').X;`, 'imports cli/'],
    ['a re-export upwards', 'base/a.ts', `export * from '../session/x.ts';`, 'imports session/'],
    ['a side-effect import upwards', 'base/a.ts', `import '../cli/main.ts';`, 'imports cli/'],
    [
      'an import over several lines',
      'base/a.ts',
      `import {\n  x,\n  y,\n} from '../cli/x.ts';`,
      'imports cli/',
    ],
    [
      'folders of one floor',
      'session/a.ts',
      `import { x } from '../checkpoint/x.ts';`,
      'imports checkpoint/',
    ],
    [
      'a room of a folder that sees a higher one',
      'storage/disk/tree/a.ts',
      `import { x } from '../publish/x.ts';`,
      'imports storage/disk/publish/',
    ],
    [
      'an implementation where an interface is meant',
      'server/core/a.ts',
      `import { x } from '../../storage/disk/local-disk.ts';`,
      'imports ../../storage/disk/local-disk.ts, which implements a store',
    ],
    [
      'access that sees the core',
      'server/access/a.ts',
      `import type { X } from '../core/x.ts';`,
      'imports server/core/',
    ],
    [
      'one front-end of the server that sees its operations',
      'server/front-ends/a.ts',
      `import { x } from '../operations/x.ts';`,
      'imports server/operations/',
    ],
    [
      'a room of the client that sees a higher one, by a type',
      'client/http/a.ts',
      `import type { X } from '../session/x.ts';`,
      'imports client/session/',
    ],
    [
      'one direction of the client that sees the other',
      'client/push/a.ts',
      `import { x } from '../pull/x.ts';`,
      'imports client/pull/',
    ],
    [
      'headers in the core',
      'server/core/a.ts',
      `import { HEADER } from '../../wire/routes.ts';`,
      'imports ../../wire/routes.ts, which is about HTTP',
    ],
    ['HTTP in the core', 'server/core/a.ts', `import type { X } from 'node:http';`, 'imports node:http'],
    ['HTTP in the engine', 'transfer/a.ts', `import http from 'node:https';`, 'imports node:https'],
    [
      'a server that sees the client',
      'server/a.ts',
      `import { x } from '../client/x.ts';`,
      'imports client/',
    ],
    [
      'an import from a deeper folder',
      'client/b/a.ts',
      `import { x } from '../../server/core/x.ts';`,
      'imports server/',
    ],
    ['an import from outside src/', 'cli/a.ts', `import x from '../../package.json';`, 'leaves src/'],
    [
      'an import without extension',
      'cli/a.ts',
      `import { x } from './x';`,
      'imports ./x without its .ts extension',
    ],
    ['undici', 'client/push.ts', `import { Pool } from 'undici';`, 'imports undici'],
    ['undici loaded lazily', 'cli/a.ts', `await import('undici');`, 'imports undici'],
    ['p-retry elsewhere', 'server/a.ts', `import pRetry from 'p-retry';`, 'imports p-retry'],
    [
      'an emitter',
      'storage/a.ts',
      `import { once, EventEmitter } from 'node:events';`,
      'imports EventEmitter',
    ],
    ['an emitter by default import', 'base/a.ts', `import Emitter from 'events';`, 'imports EventEmitter'],
    ['a barrel', 'base/index.ts', '', 'is a barrel'],
    ['a utils file', 'base/utils.ts', '', 'is named utils'],
    ['a utils folder', 'cli/utils/a.ts', '', 'is named utils'],
    ['a folder without a floor', 'misc/a.ts', '', 'is in no folder of the house'],
    ['a file in no folder', 'a.ts', '', 'is in no folder of the house'],
    [
      'a session record with a direction',
      'session/record.ts',
      `export interface SessionRecord extends X {\n  readonly id: string;\n  readonly direction: 'push' | 'pull';\n}\n`,
      'gives the session record a direction',
    ],
    ['a file that is too long', 'base/a.ts', '\n'.repeat(MAX_LINES + 1), 'has 301 lines'],
  ];

  it.each(bad)('finds %s', (_why, file, text, fault) => {
    expect(faultsOf([{ file, text }])).toEqual([expect.stringContaining(`${file} ${fault}`)]);
  });

  it('finds files that import each other in a circle, of types either', () => {
    const circle: Source[] = [
      { file: 'base/a.ts', text: `import { b } from './b.ts';` },
      { file: 'base/b.ts', text: `import type { C } from './c.ts';` },
      { file: 'base/c.ts', text: `import type { A } from './a.ts';` },
      { file: 'base/d.ts', text: `import { a } from './a.ts';` },
    ];
    expect(circlesIn(circle)).toEqual(['base/a.ts base/b.ts base/c.ts']);
  });

  it('passes what the rules allow', () => {
    const good: Source[] = [
      { file: 'base/a.ts', text: `import { once } from 'node:events';\n// import '../cli/main.ts';\n` },
      {
        file: 'cli/a.ts',
        text: `await import('../client/x.ts');\nimport type { X } from '../server/x.ts';\n`,
      },
      { file: 'client/retry.ts', text: `import pRetry from 'p-retry';\n` },
      { file: 'base/long.ts', text: '\n'.repeat(MAX_LINES) },
    ];
    expect(faultsOf(good)).toEqual([]);
  });
});

describe('src/', () => {
  const sources = readSources();

  it('has files to check', () => {
    expect(sources.map(({ file }) => file)).toContain('base/errors.ts');
  });

  it('keeps the rules of the house: lower floors only, no barrels, no utils, short files, one owner per package', () => {
    expect(faultsOf(sources)).toEqual([]);
  });

  it('keeps one record of a session, whose pass has the direction', () => {
    const records = sources.filter(({ text }) => membersOf(text, 'SessionRecord').length > 0);
    expect(records.map(({ file }) => file)).toEqual(['session/record.ts']);
    expect(membersOf(records[0]!.text, 'SessionRecord')).toContain('pass');
    const pass = sources.find(({ file }) => file === 'session/pass-record.ts');
    expect(membersOf(pass!.text, 'PassRecord')).toContain(OF_A_PASS);
  });

  it('has no files that import each other in a circle', () => {
    expect(circlesIn(sources)).toEqual([]);
  });

  it('gives each file a name of its own, so that a name alone finds it', () => {
    const names = sources.map(({ file }) => path.basename(file));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});
