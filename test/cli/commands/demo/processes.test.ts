/** The processes of the demo. */
import path from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { ProcessPool } from '../../../../src/cli/commands/demo/processes.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const BIN = path.resolve(import.meta.dirname, '../../../../bin/cairn.js');

afterEach(() => void vi.unstubAllEnvs());

test('the demo runs by its own options, whatever the environment gives to other commands', async () => {
  const script = process.argv[1]!;
  process.argv[1] = BIN;
  onTestFinished(() => void (process.argv[1] = script));
  vi.stubEnv('CAIRN_PARALLEL', 'many');
  vi.stubEnv('CAIRN_TOKEN', 'of another server');
  const pool = new ProcessPool();
  onTestFinished(() => pool.stop());
  const home = temporaryDirectory();
  const words = ['pull', '--json', '--retry-for', '0', 'http://127.0.0.1:1/x', path.join(home, 'x')];
  const error = await pool.start(words, { CAIRN_STATE_HOME: path.join(home, 'state') }).line('error');
  expect(error).toMatchObject({ exitCode: 5 });
});
