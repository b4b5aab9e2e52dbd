import { configDefaults, defineConfig } from 'vitest/config';

/** Where to leave a machine-readable report, beside the one on the terminal. */
const report = process.env['CAIRN_TEST_REPORT'];

/**
 * Which tests run: those that are over in five minutes (`npm test`), the slow ones alone, or all of them
 * (`npm run test:all`).
 */
const which = process.env['CAIRN_TESTS'] ?? 'quick';
const SLOW = 'test/**/*.slow.test.ts';

export default defineConfig({
  test: {
    environment: 'node',
    include: which === 'slow' ? [SLOW] : ['test/**/*.test.ts'],
    exclude: [
      ...configDefaults.exclude,
      'test/bench/**',
      'test/faults/**',
      ...(which === 'quick' ? [SLOW] : []),
    ],
    pool: 'forks',
    // They wait more than they compute, the slow ones most of the time.
    maxWorkers: which === 'slow' ? 5 : 4,
    // They find what hangs. No test is judged by its time: a busy machine may take ten times as long.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
