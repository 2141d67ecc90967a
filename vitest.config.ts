import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const src = fileURLToPath(new URL("src", import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-majordomo$/, replacement: `${src}/index.ts` },
      { find: /^effect-majordomo\/testing$/, replacement: `${src}/testing/index.ts` },
      { find: /^effect-majordomo\/(.+)$/, replacement: `${src}/$1.ts` }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/programs.ts",
    pool: "forks",
    poolOptions: { forks: { minForks: 1, maxForks: 2 } },
    // Two processes share two cores with a database and servers.
    testTimeout: 20_000
  }
})
