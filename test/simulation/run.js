/** Bundles and starts `main.ts`: Node 20 does not run TypeScript by itself. */
import path from 'node:path';
import { mkdirSync, rmSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const here = import.meta.dirname;
// Below node_modules, where the bundle finds the packages that it leaves out, and git does not look.
const folder = path.resolve(here, '../../node_modules/.cache/cairn-simulation');
const outfile = path.join(folder, `main-${process.pid}.mjs`);

mkdirSync(folder, { recursive: true });
await build({
  entryPoints: [path.join(here, 'main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['esbuild'],
  define: { 'import.meta.dirname': JSON.stringify(here) },
  logLevel: 'warning',
});
process.on('exit', () => rmSync(outfile, { force: true }));
process.argv[1] = outfile;
await import(pathToFileURL(outfile).href);
