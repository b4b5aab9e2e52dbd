/** Builds cairn, bundles and starts `main.ts`: Node 20 does not run TypeScript by itself. */
import path from 'node:path';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const here = import.meta.dirname;
await import(pathToFileURL(path.resolve(here, '../../esbuild.config.js')).href);

// Below node_modules, where the bundle finds the packages that it leaves out, and git does not look.
const cache = path.resolve(here, '../../node_modules/.cache/cairn-bench');
mkdirSync(cache, { recursive: true });
const outdir = mkdtempSync(path.join(cache, 'run-'));
await build({
  entryPoints: {
    main: path.join(here, 'main.ts'),
    line: path.join(here, 'line/line.ts'),
    load: path.join(here, 'load/load.ts'),
  },
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['koffi'],
  define: { 'import.meta.dirname': JSON.stringify(here), '__CAIRN_VERSION__': '"bench"' },
  banner: {
    // The bundled CommonJS packages call `require` for Node's own modules, which ESM does not have.
    js: "import { createRequire as __r } from 'node:module';\nconst require = __r(import.meta.url);",
  },
  logLevel: 'warning',
});
process.on('exit', () => rmSync(outdir, { recursive: true, force: true }));
process.argv[1] = path.join(outdir, 'main.mjs');
await import(pathToFileURL(process.argv[1]).href);
