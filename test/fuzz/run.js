/** Builds cairn, bundles and starts `main.ts`: Node 20 does not run TypeScript by itself. */
import path from 'node:path';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const here = import.meta.dirname;
await import(pathToFileURL(path.resolve(here, '../../esbuild.config.js')).href);

const cache = path.resolve(here, '../../node_modules/.cache/cairn-fuzz');
mkdirSync(cache, { recursive: true });
const outdir = mkdtempSync(path.join(cache, 'run-'));
process.on('exit', () => rmSync(outdir, { recursive: true, force: true }));
await build({
  entryPoints: { main: path.join(here, 'main.ts') },
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  define: { 'import.meta.dirname': JSON.stringify(here), '__CAIRN_VERSION__': '"fuzz"' },
  logLevel: 'warning',
});
await import(pathToFileURL(path.join(outdir, 'main.mjs')).href);
