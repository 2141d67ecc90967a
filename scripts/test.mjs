/** Everything that must hold. Names on the command line choose steps. */
import { spawn } from "node:child_process"

/** Each of these keeps one processor busy: the lanes run beside each other, the steps of a lane in order. */
const lanes = [
  {
    types: "check:types",
    lint: "check:lint",
    format: "check:format",
    unused: "check:unused",
    "type tests": "test:types",
    examples: "check:examples"
  },
  { build: "build", package: "check:package", docs: "check:docs" }
]
/** Takes both, and some of it is about time: nothing else runs beside it. */
const alone = { tests: "test:unit" }

const wanted = process.argv.slice(2)
const results = []

const run = (name, script) =>
  new Promise((resolve) => {
    const startedAt = Date.now()
    const isAlone = name in alone
    const title = `\n── ${name}: npm run ${script}`
    if (isAlone) console.log(title)
    const child = spawn("npm", ["run", "--silent", script], { stdio: isAlone ? "inherit" : ["ignore", "pipe", "pipe"] })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => void (output += chunk))
    child.on("close", (code) => {
      if (!isAlone) console.log(`${title}\n${output.trimEnd()}`)
      results.push({ name, ok: code === 0, seconds: (Date.now() - startedAt) / 1000 })
      resolve()
    })
  })

const runAll = async (steps) => {
  for (const [name, script] of Object.entries(steps)) {
    if (wanted.length === 0 || wanted.includes(name)) await run(name, script)
  }
}

const startedAt = Date.now()
await Promise.all(lanes.map(runAll))
await runAll(alone)

console.log("\n── results")
for (const { name, ok, seconds } of results) {
  console.log(`${ok ? "ok    " : "FAILED"} ${name.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s`)
}
const failed = results.filter(({ ok }) => !ok).length
const seconds = ((Date.now() - startedAt) / 1000).toFixed(0)
console.log(
  failed === 0
    ? `All ${results.length} steps passed in ${seconds} s.`
    : `${failed} of ${results.length} steps failed in ${seconds} s.`
)
process.exitCode = failed === 0 ? 0 : 1
