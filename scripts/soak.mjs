/** The long versions of the tests that kill processes and stop databases: `npm run soak`. Takes about ten minutes. */
import { spawnSync } from "node:child_process"

const { status } = spawnSync(
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    ...["crash", "outage", "mixed"].map((name) => `test/logging/${name}.test.ts`)
  ],
  { stdio: "inherit", env: { ...process.env, SOAK: "1" } }
)
process.exitCode = status ?? 1
