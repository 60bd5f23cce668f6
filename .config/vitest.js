import { defineConfig } from 'vitest/config';

/** The tests of `npm test`. Their files share a few processes: loading the same packages for each file took longer than the tests. */
export default defineConfig({
  test: { include: ['test/**/*.test.ts'], maxWorkers: 3, isolate: false, testTimeout: 30_000 },
});
