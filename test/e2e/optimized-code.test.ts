/** What V8 optimises in a run: hashing, and not the HTTP parser, whose optimising would take longer than the run. */
import path from 'node:path';
import { expect, test } from 'vitest';
import { cairn } from '../support/cli.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

/** Has V8 tell what it compiles of WebAssembly. */
const TRACED = 'import v8 from "node:v8"; v8.setFlagsFromString("--trace-wasm-compilation-times")';
/** The loop that hashes has about 1,300 bytes of code, the parser more than 70,000. */
const LARGE_BYTES = 20_000;

test('V8 optimises the hashing of a run, and not its HTTP parser', async () => {
  const server = await startDiskServer();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 64 * 1024 * 1024);
  const { stdout, stderr, exitCode } = await cairn(
    ['push', '--quiet', '--chunk-size', '1M', file, `${server.url}/file`],
    {
      stateHome: temporaryDirectory(),
      token: server.token,
      env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(TRACED)}` },
    },
  );
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const optimized = [...stdout.toString().matchAll(/using TurboFan.* codesize (\d+)/g)].map(([, bytes]) =>
    Number(bytes),
  );
  expect(optimized.length).toBeGreaterThan(0);
  expect(optimized.filter((bytes) => bytes > LARGE_BYTES)).toEqual([]);
});
