/**
 * Bundles the CLI into `dist/`: start-up is what a user of a command line feels first, and an installed cairn has no
 * dependencies to fetch. `await import()` stays lazy: each becomes a chunk of its own.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const ROOT = import.meta.dirname;
const OUT = path.join(ROOT, 'dist');
const LICENSES = 'THIRD_PARTY_LICENSES.txt';

/**
 * @typedef {{ name: string, version: string, license?: string }} PackageJson
 */

/** @param {string} dir @returns {PackageJson} */
const readPackage = (dir) => JSON.parse(readFileSync(path.join(dir, 'package.json'), 'utf8'));

/**
 * Folders of the npm packages of which at least one byte is in the output.
 *
 * @param {import('esbuild').Metafile} metafile
 * @returns {string[]}
 */
function bundledPackages(metafile) {
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  const folders = inputs
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([file]) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0])
    .filter((folder) => folder !== undefined);
  return [...new Set(folders)].toSorted();
}

/** @param {string} folder @returns {string} */
function licenseOf(folder) {
  const { name, version, license } = readPackage(path.join(ROOT, folder));
  const texts = readdirSync(path.join(ROOT, folder))
    .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
    .map((file) => readFileSync(path.join(ROOT, folder, file), 'utf8').trim());
  if (texts.length === 0 && license === undefined)
    throw new Error(`${name} is bundled, but names no license`);
  return [`${name} ${version} (${license ?? 'see below'})`, ...texts].join('\n\n');
}

/** @param {import('esbuild').Metafile} metafile */
function writeLicenses(metafile) {
  const heading = 'cairn contains code of these packages:';
  const text = [heading, ...bundledPackages(metafile).map(licenseOf)].join(`\n\n${'-'.repeat(80)}\n\n`);
  writeFileSync(path.join(OUT, LICENSES), `${text}\n`);
}

/**
 * Deletes what an earlier build left. The folder itself stays, so that a cairn that runs meanwhile keeps its chunks'
 * home.
 *
 * @param {import('esbuild').Metafile} metafile
 */
function removeStale(metafile) {
  const fresh = new Set(Object.keys(metafile.outputs).map((file) => path.resolve(ROOT, file)));
  fresh.add(path.join(OUT, LICENSES));
  for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && !fresh.has(file)) rmSync(file);
  }
}

/**
 * The parts of undici that are used. Its own entry loads everything: fetch, caches, web sockets; half a megabyte that every
 * start of a client would parse.
 *
 * @type {import('esbuild').Plugin}
 */
const partsOfUndici = {
  name: 'parts-of-undici',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace: 'parts' }));
    onLoad({ filter: /^undici$/, namespace: 'parts' }, () => ({
      contents: `import api from 'undici/lib/api/index.js';
        import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
        Object.assign(Dispatcher.prototype, api);
        export { default as Pool } from 'undici/lib/dispatcher/pool.js';
        export { default as buildConnector } from 'undici/lib/core/connect.js';`,
      resolveDir: ROOT,
    }));
  },
};

const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: { main: 'src/cli/main.ts' },
  outdir: OUT,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // A native module finds its binary beside itself, so it is installed with cairn and never bundled.
  external: ['koffi'],
  // Names stay readable in stack traces without a source map to ship and parse.
  minifySyntax: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  plugins: [partsOfUndici],
  define: { __CAIRN_VERSION__: JSON.stringify(readPackage(ROOT).version) },
  // The bundled CommonJS packages call `require` for Node's own modules, which ESM does not have.
  banner: {
    js: [
      `import { createRequire as __cairnCreateRequire } from 'node:module';`,
      `const require = __cairnCreateRequire(import.meta.url);`,
    ].join('\n'),
  },
});

writeLicenses(metafile);
removeStale(metafile);
