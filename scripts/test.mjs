/** Everything that must hold. Names on the command line choose steps. */
import { spawn } from "node:child_process"
import { constants, setPriority } from "node:os"

/** They wait a good deal, and some of it is about time. */
const tests = { tests: "test:unit" }
/** Each of these keeps one processor busy, with what the tests leave of it; the steps of a lane run in order. */
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

const wanted = process.argv.slice(2)
const results = []

/** What a lane has to say while the tests say theirs. */
let unsaid = []
const say = (text) => unsaid === undefined ? console.log(text) : unsaid.push(text)

const run = (name, script) =>
  new Promise((resolve) => {
    const startedAt = Date.now()
    const isFirst = name in tests
    const title = `\n── ${name}: npm run ${script}`
    if (isFirst) console.log(title)
    const child = spawn("npm", ["run", "--silent", script], { stdio: isFirst ? "inherit" : ["ignore", "pipe", "pipe"] })
    if (!isFirst && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW)
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => void (output += chunk))
    child.on("close", (code) => {
      if (!isFirst) say(`${title}\n${output.trimEnd()}`)
      results.push({ name, ok: code === 0, seconds: (Date.now() - startedAt) / 1000 })
      resolve()
    })
  })

const runAll = async (steps) => {
  for (const [name, script] of Object.entries(steps)) {
    if (wanted.length === 0 || wanted.includes(name)) await run(name, script)
  }
}

const runTests = async () => {
  await runAll(tests)
  const kept = unsaid
  unsaid = undefined
  kept.forEach(say)
}

const startedAt = Date.now()
await Promise.all([runTests(), ...lanes.map(runAll)])

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
