/** Everything that must hold, one step after the other. Names on the command line choose steps. */
import { spawnSync } from "node:child_process"

const steps = {
  types: "check:types",
  effect: "check:effect",
  lint: "check:lint",
  format: "check:format",
  unused: "check:unused",
  build: "build",
  exports: "check:exports",
  tests: "test:unit",
  "type tests": "test:types",
  docs: "check:docs",
  examples: "check:examples",
  package: "check:package"
}

const wanted = process.argv.slice(2)
const results = []
for (const [name, script] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`\n── ${name}: npm run ${script}`)
  const startedAt = Date.now()
  const { status } = spawnSync("npm", ["run", "--silent", script], { stdio: "inherit" })
  results.push({ name, ok: status === 0, seconds: (Date.now() - startedAt) / 1000 })
}

console.log("\n── results")
for (const { name, ok, seconds } of results) {
  console.log(`${ok ? "ok    " : "FAILED"} ${name.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s`)
}
const failed = results.filter(({ ok }) => !ok).length
console.log(failed === 0 ? `All ${results.length} steps passed.` : `${failed} of ${results.length} steps failed.`)
process.exitCode = failed === 0 ? 0 : 1
