/**
 * Runs every contender in its own process against the mock, in turns, and prints medians and their ratios to the floor.
 *
 *   npm run bench
 *   npm run bench -- call stream --contenders undici,ours --rounds 5
 *   npm run bench -- paced --contenders ours --profile
 */
import { build } from "esbuild"
import { type ChildProcess, fork, spawnSync } from "node:child_process"
import { once } from "node:events"
import { readdirSync, rmSync } from "node:fs"
import { parseArgs } from "node:util"
import type { Job } from "./harness.ts"
import { summary } from "./profile.ts"

const contenders = [
  "undici",
  "ours",
  "ours-platform",
  "ours-cascade",
  "ours-anthropic",
  "openai",
  "anthropic",
  "ai-openai",
  "ai-anthropic",
  "effect-ai"
]

/** An event costs these so much that a fifth of the events says the same. */
const slow = new Set(["ai-openai", "ai-anthropic", "effect-ai"])

interface Measure {
  readonly title: string
  readonly unit: string
  readonly amount: number
  /** What ours may cost at most: times the floor, more than the floor, or as such. */
  readonly target: readonly [kind: "ratio" | "added" | "absolute", limit: number]
}

/** Targets: what a program pays at most for not writing the requests by hand. */
const measures: Readonly<Record<Job["measure"] | "start", Measure>> = {
  call: { title: "one call, one at a time", unit: "µs", amount: 600, target: ["ratio", 3] },
  calls: { title: "one call, 64 at once", unit: "µs", amount: 1500, target: ["ratio", 5] },
  stream: { title: "streamed event, 16 busy streams", unit: "µs", amount: 2000, target: ["ratio", 1.5] },
  single: { title: "streamed event, one per read", unit: "µs", amount: 4000, target: ["ratio", 2] },
  paced: { title: "streamed event, one every 2 ms", unit: "µs", amount: 200, target: ["ratio", 2] },
  first: { title: "time to first token", unit: "µs", amount: 100, target: ["added", 150] },
  memory: { title: "memory per open stream", unit: "KiB", amount: 500, target: ["absolute", 90] },
  start: { title: "start to first answer", unit: "ms", amount: 1, target: ["absolute", 300] },
  object: { title: "2.4 KB answer to an object", unit: "µs", amount: 300, target: ["ratio", 2.5] }
}

/** Measured by a program of their own. */
const alone = ["parsing", "logging", "sinks", "gateway", "limits"]

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", default: [...Object.keys(measures), ...alone].join(",") },
    contenders: { type: "string", default: contenders.join(",") },
    rounds: { type: "string", default: "3" },
    profile: { type: "boolean", default: false }
  }
})
const asked = positionals.length > 0 ? positionals : values.only.split(",")
const unknown = asked.filter((name) => !Object.hasOwn(measures, name) && !alone.includes(name))
if (unknown.length > 0) {
  console.error(`there is no ${unknown.join(", ")}; there are ${[...Object.keys(measures), ...alone].join(", ")}`)
  process.exit(1)
}
const chosen = asked.filter((name) => !alone.includes(name)) as ReadonlyArray<keyof typeof measures>
const names = values.contenders.split(",")
const rounds = Number(values.rounds)

const folder = ".tmp/bench"
const profiles = ".tmp/profiles"
// The collector's idle mode drops optimised code; a server that answers does not idle.
const flags = ["--no-memory-reducer", "--expose-gc"]

rmSync(folder, { recursive: true, force: true })
rmSync(profiles, { recursive: true, force: true })
await build({
  entryPoints: ["bench/mock.ts", ...names.map((name) => `bench/contenders/${name}.ts`)],
  outdir: folder,
  outbase: "bench",
  bundle: true,
  packages: "external",
  format: "esm",
  platform: "node",
  target: "node20",
  // Without the paths of tsconfig.json: what is measured is the built package.
  tsconfigRaw: {}
})

const started = async (
  path: string,
  options: ReadonlyArray<string> = []
): Promise<readonly [ChildProcess, unknown]> => {
  const child = fork(`${folder}/${path}.js`, { execArgv: [...flags, ...options] })
  const [message] = await once(child, "message")
  return [child, message]
}

const ask = async (child: ChildProcess, job: Job): Promise<number> => {
  child.send(job)
  const [answer]: Array<{ readonly value?: number; readonly error?: string }> = await once(child, "message")
  if (answer?.error !== undefined) throw new Error(`${child.spawnargs.at(-1)}, ${job.measure}: ${answer.error}`)
  return answer?.value ?? NaN
}

/** In a process that has done nothing else. */
const freshMemory = async (name: string, origin: string): Promise<number> => {
  const [child] = await started(`contenders/${name}`)
  const value = await ask(child, { measure: "memory", origin, amount: measures.memory.amount })
  child.disconnect()
  return value
}

const startTime = (name: string, origin: string): number => {
  const startedAt = performance.now()
  const { status, stderr } = spawnSync(process.execPath, [`${folder}/contenders/${name}.js`, origin], {
    encoding: "utf8"
  })
  if (status !== 0) throw new Error(`${name} did not start: ${stderr}`)
  return performance.now() - startedAt
}

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN

const [mock, port] = await started("mock")
const origin = `http://127.0.0.1:${String(port)}`
const workers = new Map<string, ChildProcess>()
for (const name of names) {
  const profiled = ["--cpu-prof", `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}.cpuprofile`]
  const [worker] = await started(`contenders/${name}`, values.profile ? profiled : [])
  workers.set(name, worker)
}

const results = new Map<string, Map<string, number>>()
for (const measure of chosen) {
  const amountFor = (name: string) => {
    const { amount } = measures[measure]
    return slow.has(name) && (measure === "stream" || measure === "single") ? amount / 5 : amount
  }
  const samples = new Map<string, Array<number>>(names.map((name) => [name, []]))
  const fresh = measure === "memory" || measure === "start"
  // Round 0 warms up and is not counted.
  for (let round = fresh ? 1 : 0; round <= rounds; round++) {
    for (const [name, worker] of workers) {
      const value = measure === "start"
        ? startTime(name, origin)
        : measure === "memory"
        ? await freshMemory(name, origin)
        : await ask(worker, { measure, origin, amount: (round === 0 ? 3 : 1) * amountFor(name) })
      if (round > 0) samples.get(name)?.push(value)
    }
  }
  results.set(measure, new Map([...samples].map(([name, taken]) => [name, median(taken)])))
  process.stderr.write(`${measures[measure].title}: measured\n`)
}
for (const child of [mock, ...workers.values()]) {
  child.disconnect()
  await once(child, "exit")
}

// ── the table ───────────────────────────────────────────────────────────────────────────────────────────────────────

const number = (value: number) => value < 10 ? value.toFixed(2) : value.toFixed(0)

const cell = (measure: keyof typeof measures, value: number, floor: number | undefined): string => {
  const { target: [kind], unit } = measures[measure]
  if (Number.isNaN(value)) return "–"
  const plain = `${number(value)} ${unit}`
  if (floor === undefined || kind === "absolute") return plain
  return kind === "ratio" ? `${plain} (${(value / floor).toFixed(2)}×)` : `${plain} (+${number(value - floor)})`
}

const limit = ({ target: [kind, at], unit }: Measure) =>
  kind === "ratio" ? `≤ ${at}×` : kind === "added" ? `≤ +${at} ${unit}` : `≤ ${at} ${unit}`

const rows = chosen.map((measure) => {
  const found = results.get(measure)
  const floor = found?.get("undici")
  return [
    measures[measure].title,
    limit(measures[measure]),
    ...names.map((name) => cell(measure, found?.get(name) ?? NaN, floor))
  ]
})
for (const name of alone.filter((name) => asked.includes(name))) {
  spawnSync(process.execPath, ["--no-memory-reducer", "--expose-gc", "--import", "tsx", `bench/${name}.ts`], {
    stdio: "inherit"
  })
}
if (chosen.length === 0) process.exit()
console.log(`\nNode ${process.version}, medians of ${values.rounds} rounds; CPU time unless it says otherwise\n`)
console.log(markdown([["", "ours, at most", ...names], ...rows]))
if (values.profile) {
  for (const file of readdirSync(profiles)) console.log(`\n${file}: ${summary(`${profiles}/${file}`)}`)
}

function markdown([head = [], ...body]: ReadonlyArray<ReadonlyArray<string>>): string {
  const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  return [row(head), row(head.map(() => "---")), ...body.map(row)].join("\n")
}
