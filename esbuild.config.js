/**
 * Bundles the CLI into `dist/`: start-up is what a user of a command line feels first, and an installed cairn has no
 * dependencies to fetch. Each bundle is one file (but for undici, which few commands need), since finding, reading and linking sixty of them takes longer than
 * reading over code that is not needed; what is behind `await import()` is run when it is asked for.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
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
 * @param {readonly import('esbuild').Metafile[]} metafiles
 * @returns {string[]}
 */
function bundledPackages(metafiles) {
  const outputs = metafiles.flatMap((metafile) => Object.values(metafile.outputs));
  const inputs = outputs.flatMap((output) => Object.entries(output.inputs));
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

/** @param {readonly import('esbuild').Metafile[]} metafiles */
function writeLicenses(metafiles) {
  const heading = 'cairn contains code of these packages:';
  const text = [heading, ...bundledPackages(metafiles).map(licenseOf)].join(`\n\n${'-'.repeat(80)}\n\n`);
  writeFileSync(path.join(OUT, LICENSES), `${text}\n`);
}

/**
 * Deletes what an earlier build left.
 *
 * @param {readonly import('esbuild').Metafile[]} metafiles
 */
function removeStale(metafiles) {
  const outputs = metafiles.flatMap((metafile) => Object.keys(metafile.outputs));
  const fresh = new Set(outputs.map((file) => path.resolve(ROOT, file)));
  fresh.add(path.join(OUT, LICENSES));
  for (const entry of readdirSync(OUT, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && !fresh.has(file)) rmSync(file);
  }
}

/**
 * Writes the man pages, by the definitions of the commands themselves. They lie beside the bundles, where package.json
 * names them for npm to install.
 */
async function writeManPages() {
  const workspace = mkdtempSync(path.join(tmpdir(), 'cairn-man-'));
  try {
    await bundle('print-pages', 'src/cli/man/print-pages.ts', [onlyTransfers], workspace);
    const json = execFileSync(process.execPath, [path.join(workspace, 'print-pages.cjs')], {
      encoding: 'utf8',
    });
    const folder = path.join(OUT, 'man');
    mkdirSync(folder, { recursive: true });
    /** @type {{ file: string, text: string }[]} */
    const pages = JSON.parse(json);
    for (const { file, text } of pages) writeFileSync(path.join(folder, file), text);
  } finally {
    rmSync(workspace, { recursive: true });
  }
}

/**
 * What only other commands need is left out of the bundle of push and pull.
 *
 * @type {import('esbuild').Plugin}
 */
const onlyTransfers = {
  name: 'only-transfers',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/commands\// }, ({ path: file, kind }) =>
      kind === 'dynamic-import' && !/\/(?:push|pull)\.ts$/.test(file)
        ? { path: file, namespace: 'left-out' }
        : undefined,
    );
    onLoad({ filter: /./, namespace: 'left-out' }, ({ path: file }) => ({
      contents: `throw new Error(${JSON.stringify(`${file} is not in this bundle`)});`,
    }));
  },
};

/**
 * What only talks to issuers of tokens lies in a file of its own: other commands need not read over it.
 *
 * @type {import('esbuild').Plugin}
 */
const undiciApart = {
  name: 'undici-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^undici$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './undici.cjs', external: true } : undefined,
    );
  },
};

/**
 * @param {string} name
 * @param {string} entry
 * @param {import('esbuild').Plugin[]} plugins
 * @param {string} [outdir]
 */
async function bundle(name, entry, plugins, outdir = OUT) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { [name]: entry },
    outdir,
    bundle: true,
    format: 'cjs',
    outExtension: { '.js': '.cjs' },
    platform: 'node',
    target: 'node20.19',
    // A native module finds its binary beside itself, so it is installed with cairn and never bundled.
    external: ['koffi'],
    // Less to read at every start; names and lines stay such that a stack trace says something without a source map.
    minifySyntax: true,
    minifyWhitespace: true,
    lineLimit: 120,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    plugins,
    define: {
      '__CAIRN_VERSION__': JSON.stringify(readPackage(ROOT).version),
      // Read only where the version is not known.
      'import.meta.url': 'undefined',
    },
  });
  return metafile;
}

const metafiles = await Promise.all([
  bundle('main', 'src/cli/main.ts', [undiciApart]),
  bundle('transfer', 'src/cli/main.ts', [onlyTransfers, undiciApart]),
  bundle('version', 'src/cli/print-version.ts', []),
  bundle('undici', 'undici', []),
]);
writeLicenses(metafiles);
removeStale(metafiles);
await writeManPages();
