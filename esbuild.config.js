/**
 * Bundles the CLI into `dist/`: start-up is what a user of a command line feels first, and an installed cairn has no
 * dependencies to fetch. Each bundle is one file (but for undici and iovalkey, which few commands need), since finding, reading and linking sixty of them takes longer than
 * reading over code that is not needed; what is behind `await import()` is run when it is asked for.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundle, bundleAll, ROOT, rarelyNeededApart } from './esbuild.bundle.js';
import { billOfMaterials, bundledFolders, licensesOf } from './esbuild.contents.js';

const OUT = path.join(ROOT, 'dist');
const LICENSES = path.join(OUT, 'THIRD_PARTY_LICENSES.txt');
const BILL = path.join(OUT, 'cairn.cdx.json');

/**
 * Deletes what an earlier build left.
 *
 * @param {readonly import('esbuild').Metafile[]} metafiles
 */
function removeStale(metafiles) {
  const outputs = metafiles.flatMap((metafile) => Object.keys(metafile.outputs));
  const fresh = new Set([...outputs.map((file) => path.resolve(ROOT, file)), LICENSES, BILL]);
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
    const how = { outdir: workspace, plugins: [rarelyNeededApart] };
    await bundle('print-pages', 'src/cli/man/print-pages.ts', how);
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

const metafiles = await bundleAll(OUT);
const folders = bundledFolders(metafiles);
writeFileSync(LICENSES, licensesOf(folders));
writeFileSync(BILL, `${JSON.stringify(billOfMaterials(folders), undefined, 2)}\n`);
removeStale(metafiles);
await writeManPages();
