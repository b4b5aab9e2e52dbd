/** How cairn is bundled: one file for each entry, for the Node that is the oldest one supported. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

/** The folder of this repository. */
export const ROOT = import.meta.dirname;

/**
 * What is read of a package.json.
 *
 * @typedef {object} PackageJson
 * @property {string} name
 * @property {string} version
 * @property {string} [license] an SPDX expression
 * @property {string} [description]
 */

/**
 * Reads the package.json of a folder.
 *
 * @param {string} dir
 * @returns {PackageJson}
 */
export const readPackage = (dir) => JSON.parse(readFileSync(path.join(dir, 'package.json'), 'utf8'));

/** A file of a command, by the name of its folder. */
const COMMAND = /\/src\/cli\/commands\/([^/]+)\//;
/** The commands of the bundle that starts sooner alone. */
const TRANSFERS = new Set(['push', 'pull']);

/**
 * Other commands are left out of the bundle of push and pull, their options too: what declares a command then does nothing.
 *
 * @type {import('esbuild').Plugin}
 */
const onlyTransfers = {
  name: 'only-transfers',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\.?\// }, ({ path: file, resolveDir }) => {
      const resolved = path.resolve(resolveDir, file);
      const [, command] = COMMAND.exec(resolved) ?? [];
      const isLeftOut = command !== undefined && !TRANSFERS.has(command);
      // The bundle names this path: it is the same in every checkout.
      return isLeftOut ? { path: path.relative(ROOT, resolved), namespace: 'left-out' } : undefined;
    });
    onLoad({ filter: /./, namespace: 'left-out' }, ({ path: file }) => {
      const names = readFileSync(path.join(ROOT, file), 'utf8').matchAll(
        /^export (?:async )?(?:function|const) (\w+)/gm,
      );
      return { contents: Array.from(names, ([, name]) => `export function ${name}() {}`).join('\n') };
    });
  },
};

/**
 * What only talks to issuers of tokens, or to Redis, lies in files of its own: other commands need not read over it.
 *
 * @type {import('esbuild').Plugin}
 */
export const rarelyNeededApart = {
  name: 'rarely-needed-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^(?:undici|iovalkey)$/ }, ({ kind, path: name }) =>
      kind === 'dynamic-import' ? { path: `./${name}.cjs`, external: true } : undefined,
    );
  },
};

/**
 * commander starts other programs only for commands that are programs, which cairn has none of: that part of Node is loaded
 * when it does.
 *
 * @type {import('esbuild').Plugin}
 */
const childrenLater = {
  name: 'children-later',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ path: name, importer }) =>
      importer.includes(`${path.sep}commander${path.sep}`) ? { path: name, namespace: 'later' } : undefined,
    );
    onLoad({ filter: /./, namespace: 'later' }, ({ path: name }) => ({
      contents: `exports.spawn = (...words) => require('${name}').spawn(...words);`,
    }));
  },
};

/**
 * Bundles `entry` into `outdir/name.cjs`; answers what is in it.
 *
 * @param {string} name
 * @param {string} entry relative to the repository, or a package
 * @param {object} how
 * @param {string} how.outdir
 * @param {import('esbuild').Plugin[]} [how.plugins]
 * @param {Record<string, string>} [how.define] identifiers and the expressions that stand for them
 * @param {boolean} [how.write] whether the file is written (default), or only looked at
 * @returns {Promise<import('esbuild').Metafile>}
 */
export async function bundle(name, entry, { outdir, plugins = [], define = {}, write = true }) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { [name]: entry },
    outdir,
    write,
    bundle: true,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    platform: 'node',
    target: 'node20.19',
    // What is loaded later is CommonJS, too; without this each run would get the loader for ES modules ready.
    supported: { 'dynamic-import': false },
    // A native module finds its binary beside itself, so it is installed with cairn and never bundled.
    external: ['koffi'],
    // Less to read at every start; names and lines stay such that a stack trace says something without a source map.
    minifySyntax: true,
    minifyWhitespace: true,
    lineLimit: 120,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    plugins: [...plugins, childrenLater],
    define: {
      '__CAIRN_VERSION__': JSON.stringify(readPackage(ROOT).version),
      // Read only where the version is not known.
      'import.meta.url': 'undefined',
      ...define,
    },
  });
  return metafile;
}

/**
 * The bundles of the package, by name.
 *
 * @type {readonly (readonly [name: string, entry: string, plugins: import('esbuild').Plugin[]])[]}
 */
const BUNDLES = [
  ['start', 'src/cli/start.ts', []],
  ['main', 'src/cli/main.ts', [rarelyNeededApart]],
  ['transfer', 'src/cli/main.ts', [onlyTransfers, rarelyNeededApart]],
  ['version', 'src/cli/print-version.ts', []],
  ['undici', 'undici', []],
  ['iovalkey', 'iovalkey', []],
];

/**
 * Bundles everything that the package has; answers what is in it.
 *
 * @param {string} outdir
 * @param {{ write?: boolean }} [how]
 * @returns {Promise<import('esbuild').Metafile[]>}
 */
export function bundleAll(outdir, { write = true } = {}) {
  return Promise.all(
    BUNDLES.map(([name, entry, plugins]) => bundle(name, entry, { outdir, plugins, write })),
  );
}
