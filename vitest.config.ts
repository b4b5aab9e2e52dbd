import { configDefaults, defineConfig } from 'vitest/config';

/** Where to leave a machine-readable report, beside the one on the terminal. */
const report = process.env['CAIRN_TEST_REPORT'];

export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/bench/**', 'test/faults/**'],
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
