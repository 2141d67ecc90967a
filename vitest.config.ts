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
    globalSetup: "test/programs.ts"
  }
})
