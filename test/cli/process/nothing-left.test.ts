import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/trees.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const NEVER = 'new Promise(() => undefined)';

test.each([
  ['a command', `import { runProcess } from './src/cli/process/edge.ts'; void runProcess(() => ${NEVER});`],
  [
    'the bench',
    `import { failWhereNothingIsLeft } from './test/bench/loud-end.ts'; failWhereNothingIsLeft(); void ${NEVER};`,
  ],
])('%s that waits for what never comes ends with 1, and says why', async (_, contents) => {
  const outfile = path.join(temporaryDirectory(), 'waiting.cjs');
  await build({
    stdin: { contents, resolveDir: ROOT, loader: 'ts' },
    outfile,
    bundle: true,
    platform: 'node',
    external: ['koffi'],
    define: { '__CAIRN_VERSION__': '"0"', 'import.meta.url': '"file:///"' },
    logLevel: 'error',
  });
  const { status, stderr } = spawnSync(process.execPath, [outfile], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([1, expect.stringContaining('nothing is left to wait for')]);
});
