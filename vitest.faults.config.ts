import { defineConfig } from 'vitest/config';

/** Where to leave a machine-readable report, beside the one on the terminal. */
const report = process.env['CAIRN_TEST_REPORT'];

/** The fault suites: real processes, cut connections, killed processes, failing disks. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/faults/**/*.test.ts'],
    globalSetup: ['test/faults/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 3,
    testTimeout: process.env['CAIRN_FAULTS'] === 'full' ? 4 * 3_600_000 : 180_000,
    hookTimeout: 60_000,
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
  },
});
