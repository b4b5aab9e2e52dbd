import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** Where to leave a machine-readable report, beside the one on the terminal. */
const report = process.env['CAIRN_TEST_REPORT'];

/**
 * Which tests run: those that are over in five minutes (`npm test`), the slow ones alone, or all of them
 * (`npm run test:all`).
 */
const which = process.env['CAIRN_TESTS'] ?? 'quick';
const SLOW = 'test/**/*.slow.test.ts';

/** Files that replace a module: they need modules of their own. The others share them, which spares a quarter of the CPU time. */
const mocking = readdirSync(path.join(import.meta.dirname, 'test'), { recursive: true, encoding: 'utf8' })
  .map((name) => path.join('test', name))
  .filter((file) => file.endsWith('.test.ts') && readFileSync(file, 'utf8').includes('vi.mock('));

function project(
  name: string,
  isolate: boolean,
  exclude: string[],
  files: string[],
): TestProjectInlineConfiguration {
  return {
    test: {
      name,
      isolate,
      environment: 'node',
      include: files,
      exclude: [
        ...configDefaults.exclude,
        'test/bench/**',
        'test/faults/**',
        'test/nodes/**',
        ...exclude,
        ...(which === 'quick' ? [SLOW] : []),
      ],
      pool: 'forks',
      // They find what hangs. No test is judged by its time: a busy machine may take ten times as long.
      testTimeout: 300_000,
      hookTimeout: 300_000,
      unstubEnvs: true,
    },
  };
}

const all = which === 'slow' ? [SLOW] : ['test/**/*.test.ts'];

export default defineConfig({
  test: {
    // They wait more than they compute, the slow ones most of the time.
    maxWorkers: which === 'slow' ? 5 : 4,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    projects: [
      project('shared modules', false, mocking, all),
      project(
        'own modules',
        true,
        [],
        mocking.filter((file) => which !== 'slow' || file.endsWith('.slow.test.ts')),
      ),
    ],
  },
});
