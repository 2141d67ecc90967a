import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { WaitingFirst } from "./test/sequence.ts"

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
    globalSetup: ["test/programs.ts", "test/postgresServer.ts"],
    sequence: { sequencer: WaitingFirst },
    pool: "forks",
    poolOptions: { forks: { isolate: false, minForks: 1, maxForks: 2 } },
    // Two processes, each with many files: a process loads Effect once. What is loaded is shared, so `it.layer`, which changes
    // the `it` of all files, is not used.
    // They share two cores with a database and servers.
    testTimeout: 20_000
  }
})
