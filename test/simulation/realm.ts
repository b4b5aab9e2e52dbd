/**
 * The code under test in a copy of its own for each role of the simulation, with everything below it replaced: files,
 * network, time, chance. The sources are those of `src/`, bundled as they are; nothing in them knows of this.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { compileFunction } from 'node:vm';
import { build, type Plugin } from 'esbuild';
import { loadNative } from '../../src/base/native.ts';
import type * as Code from './realm/entry.ts';
import type { SimulatedProcess } from './system/process.ts';

/** One copy of the code under test; whoever lets it run says in which process. */
export interface Realm {
  process: SimulatedProcess;
}

/** A realm, and what can be started in it. */
export interface LoadedRealm {
  readonly realm: Realm;
  readonly code: typeof Code;
}

/** A change to the source under test, for tests that have to see the simulation find something. */
export interface Mutation {
  /** File below `src/`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const HERE = import.meta.dirname;
const REPLACED: Readonly<Record<string, string>> = {
  'node:fs': 'node-fs.ts',
  'node:fs/promises': 'node-fs-promises.ts',
  'node:timers/promises': 'node-timers-promises.ts',
  'node:http': 'node-http.ts',
  'node:crypto': 'node-crypto.ts',
  'node:zlib': 'node-zlib.ts',
  'xxhash-wasm': 'xxhash-wasm.ts',
  'koffi': 'koffi.ts',
};

/** Where the code under test would have the calls of the C library, and takes other ways without them. */
const HAS_NATIVE = (await loadNative()) !== undefined;

const requireHere = createRequire(import.meta.url);

function replacing(mutation: Mutation | undefined): Plugin {
  const realmFolder = path.join(HERE, 'realm');
  return {
    name: 'simulated-platform',
    setup: ({ onResolve, onLoad }) => {
      onResolve(
        { filter: new RegExp(`^(?:${Object.keys(REPLACED).join('|')})$`) },
        ({ path: name, resolveDir }) =>
          resolveDir.startsWith(path.join(HERE))
            ? undefined
            : { path: path.join(realmFolder, REPLACED[name]!) },
      );
      onResolve({ filter: /\/http-socket\.ts$/ }, ({ resolveDir }) =>
        resolveDir.endsWith(path.join('client', 'http'))
          ? { path: path.join(realmFolder, 'http-socket.ts') }
          : undefined,
      );
      if (mutation === undefined) return;
      const mutated = path.resolve(HERE, '../../src', mutation.file);
      onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
        if (file !== mutated) return undefined;
        const { readFile } = await import('node:fs/promises');
        const text = await readFile(file, 'utf8');
        if (!text.includes(mutation.find))
          throw new Error(`${mutation.file} has no "${mutation.find}" any more`);
        return { contents: text.replace(mutation.find, () => mutation.replace), loader: 'ts' };
      });
    },
  };
}

/** The code under test as text of a function body. */
export async function bundleCode(mutation?: Mutation): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [path.join(HERE, 'realm/entry.ts')],
    inject: [path.join(HERE, 'realm/globals.ts')],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    plugins: [replacing(mutation)],
    logLevel: 'silent',
  });
  return outputFiles[0]!.text;
}

/** Makes one copy of the code. Each is compiled for itself: sharing it would make every call site see all copies. */
export async function loadRealm(text: string): Promise<LoadedRealm> {
  const realm = {} as Realm;
  const module = { exports: {} as LoadedRealm['code'] };
  const run = compileFunction(text, ['require', 'module', 'exports', 'simulatedRealm'], {
    filename: 'simulated-realm.cjs',
  });
  run(requireHere, module, module.exports, realm);
  await module.exports.preloadHash();
  if (HAS_NATIVE && (await module.exports.loadNative()) === undefined)
    throw new Error('the code under test binds a call of the C library that the simulation does not have');
  return { realm, code: module.exports };
}
