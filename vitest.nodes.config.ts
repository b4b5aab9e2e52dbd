import { defineConfig } from 'vitest/config';

/** Several servers over a real Ceph gateway, behind a real haproxy; what is not on this machine is skipped aloud. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/nodes/**/*.test.ts'],
    globalSetup: ['test/nodes/support/start-ceph.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 900_000,
    hookTimeout: 300_000,
  },
});
