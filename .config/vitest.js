import { defineConfig } from 'vitest/config';

/**
 * The tests of `npm test`. Their files share a few processes: loading the same packages for each file took longer than the
 * tests. For this reason all settings are here: what a module sets when it is loaded holds for the first file only.
 * Many tests start a process and wait for most of their time, for the pauses before a call is repeated.
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    maxWorkers: 3,
    isolate: false,
    maxConcurrency: 8,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
