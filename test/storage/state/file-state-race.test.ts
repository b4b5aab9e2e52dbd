import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openFileState } from '../../../src/storage/state/files/file-state.ts';
import { openDocument } from '../../../src/storage/state/typed-document.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { NAMES } from './changer.ts';

const CHANGERS = 5;
let tools: string;

beforeAll(async () => {
  tools = mkdtempSync(path.join(tmpdir(), 'cairn-changers-'));
  await build({
    entryPoints: [path.join(import.meta.dirname, 'changer.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: path.join(tools, 'changer.mjs'),
  });
});
afterAll(() => rmSync(tools, { recursive: true }));

/** A changer, and what it has said so far. */
function start(directory: string, number: number): { child: ChildProcess; said: () => string[] } {
  const program = path.join(tools, 'changer.mjs');
  const child = spawn(process.execPath, [program, directory, `changer-${number}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  return { child, said: () => text.split('\n').slice(0, -1) };
}

test('processes that change one document and are killed lose no change that they reported', async () => {
  const directory = temporaryDirectory();
  const changers = Array.from({ length: CHANGERS }, (_, number) => start(directory, number));
  // Each is killed somewhere in its work; those that are left go on.
  for (const [number, { child, said }] of changers.entries()) {
    while (child.exitCode === null && said().length < 4 * (number + 1)) await once(child.stdout!, 'data');
    child.kill('SIGKILL');
    await once(child, 'close');
  }
  const names = (await openDocument(await openFileState(directory), NAMES)).value!;
  expect(new Set(names).size).toBe(names.length);
  const told = changers.flatMap(({ said }) => said());
  expect(told.length).toBeGreaterThanOrEqual(4 * CHANGERS);
  expect(told.filter((name) => !names.includes(name))).toEqual([]);
  expect(readdirSync(directory).toSorted()).toEqual(['tokens.json', 'tokens.lock']);
});
