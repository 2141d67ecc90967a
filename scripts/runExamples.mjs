/** Runs every program of `examples/` without keys: each must end well. */
import { build } from "esbuild"
import { spawnSync } from "node:child_process"
import { readdirSync, rmSync } from "node:fs"
import { options } from "./bundling.mjs"

const folder = ".tmp/examples"
const withoutKeys = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/_API_KEY$|^OPENAI_COMPATIBLE|^AWS_|^MAJORDOMO_/.test(name))
)

const names = readdirSync("examples").filter((name) => name !== "shared.ts").map((name) => name.replace(/\.ts$/, ""))
rmSync(folder, { recursive: true, force: true })
// A program of few files starts in a fraction of the time that sources take.
await build({
  entryPoints: names.map((name) => `examples/${name}.ts`),
  outdir: folder,
  ...options
})

let failed = 0
for (const name of names) {
  const { status, stderr, stdout } = spawnSync(process.execPath, [`${folder}/${name}.js`], {
    encoding: "utf8",
    env: withoutKeys,
    timeout: 60_000
  })
  const ok = status === 0 && stdout.trim() !== ""
  if (!ok) failed++
  console.log(ok ? `ok      ${name}.ts` : `FAILED  ${name}.ts\n${stdout}${stderr}`)
}
process.exitCode = failed === 0 ? 0 : 1
