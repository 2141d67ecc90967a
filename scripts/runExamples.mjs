/** Runs every program of `examples/` without keys: each must end well. */
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"

const withoutKeys = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/_API_KEY$|^OPENAI_COMPATIBLE|^AWS_|^MAJORDOMO_/.test(name))
)

let failed = 0
for (const file of readdirSync("examples").filter((name) => name !== "shared.ts")) {
  const { status, stderr, stdout } = spawnSync(process.execPath, ["--import", "tsx", `examples/${file}`], {
    encoding: "utf8",
    env: withoutKeys,
    timeout: 60_000
  })
  const ok = status === 0 && stdout.trim() !== ""
  if (!ok) failed++
  console.log(ok ? `ok      ${file}` : `FAILED  ${file}\n${stdout}${stderr}`)
}
process.exitCode = failed === 0 ? 0 : 1
