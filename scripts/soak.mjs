/** The long versions of the tests that kill processes, stop databases and try properties often: `npm run soak`. Takes about ten minutes. */
import { spawnSync } from "node:child_process"

const { status } = spawnSync(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    ...["crash", "outage", "mixed"].map((name) => `test/logging/${name}.test.ts`),
    "test/gateway/crash.test.ts",
    "test/gateway/hanging.test.ts",
    "test/gateway/replicas.test.ts",
    "test/gateway/limits/arithmetic.test.ts",
    "test/cascade/model.test.ts",
    "test/cascade/load.test.ts",
    "test/structured/random.test.ts",
    "test/Hooks.test.ts"
  ],
  { stdio: "inherit", env: { ...process.env, SOAK: "1" } }
)
process.exitCode = status ?? 1
