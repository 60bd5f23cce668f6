import { defineConfig } from 'vitest/config';

/** The tests that take minutes: `npm run test:long`. */
export default defineConfig({
  test: { include: ['test/**/*.long.ts'], testTimeout: 600_000, hookTimeout: 60_000 },
});
