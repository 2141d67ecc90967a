/**
 * CPU of a request through the gateway beside a bare relay, in one run, in turns: 1 KB of JSON, and a stream of 100 events;
 * passed on with the log buffered and durable, and translated (buffered) for clients of Chat Completions and Messages.
 * Then, of what is passed on: resident memory of an open stream in which nothing happens, and the time until the first byte of
 * a stream, one at a time.
 * `@portkey-ai/gateway` is measured, too, where it is installed.
 *
 *   npm run bench -- --only gateway
 */
import { build } from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs"
import * as http from "node:http"
import { createRequire } from "node:module"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Agent, request } from "undici"
import { options } from "../scripts/bundling.mjs"

const rounds = 20
const idle = 1000
const first = 500
const atOnce = 64
const amounts = { json: 1000, stream: 250 } as const
type Kind = keyof typeof amounts

const answer = JSON.stringify({
  id: "chatcmpl-1",
  object: "chat.completion",
  model: "gpt-4.1",
  choices: [{ index: 0, message: { role: "assistant", content: "x".repeat(800) }, finish_reason: "stop" }],
  usage: { prompt_tokens: 100, completion_tokens: 200, total_tokens: 300 }
})
const event = (choices: ReadonlyArray<object>, usage: object | null): string =>
  `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", model: "gpt-4.1", choices, usage })}\n\n`
const word = event([{ index: 0, delta: { content: "word " }, finish_reason: null }], null)
const ending = event([{ index: 0, delta: {}, finish_reason: "stop" }], null) +
  event([], { prompt_tokens: 100, completion_tokens: 100, total_tokens: 200 }) + "data: [DONE]\n\n"

/** Four events a write; or one event, and then nothing. */
const stream = (response: http.ServerResponse, isHeld: boolean) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  if (isHeld) {
    response.write(word)
    return
  }
  let sent = 0
  const next = () => {
    if (sent === 100) {
      response.end(ending)
      return
    }
    sent += 4
    response.write(word.repeat(4))
    setImmediate(next)
  }
  next()
}

const upstream = http.createServer((incoming, response) => {
  let text = ""
  incoming.on("data", (chunk) => {
    text += String(chunk)
  })
  incoming.on("end", () => {
    if (text.includes("\"stream\":true")) return stream(response, text.includes("Hold"))
    response.writeHead(200, { "content-type": "application/json", "content-length": String(Buffer.byteLength(answer)) })
    response.end(answer)
  })
}).listen(0, "127.0.0.1")
await once(upstream, "listening")
const port = (server: { readonly address: () => unknown }): number => Number(Object(server.address()).port)

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const free = port(server)
  server.close()
  return free
}

type Client = "chat" | "messages"
const paths: Readonly<Record<Client, string>> = { chat: "/v1/chat/completions", messages: "/v1/messages" }

interface Relay {
  readonly name: string
  readonly client: Client
  readonly model: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly child: ChildProcess
}

const folder = ".tmp/gateways"
await build({ ...options, entryPoints: ["bench/gateways/floor.ts", "bench/gateways/ours.ts"], outdir: folder })

const start = async (
  name: string,
  program: string,
  env: Readonly<Record<string, string>> = {},
  args: ReadonlyArray<string> = [],
  more: Readonly<Record<string, string>> = {}
): Promise<Relay> => {
  const client = "chat"
  const free = await freePort()
  const keyFile = join(mkdtempSync(join(tmpdir(), "majordomo-bench-key-")), "key")
  const child = spawn(
    process.execPath,
    ["--no-memory-reducer", "--expose-gc", program, ...args.map((arg) => arg.replace("PORT", String(free)))],
    {
      env: {
        ...process.env,
        PORT: String(free),
        UPSTREAM: `http://127.0.0.1:${port(upstream)}`,
        KEY_FILE: keyFile,
        ...env
      },
      stdio: ["ignore", "ignore", "inherit"]
    }
  )
  const url = `http://127.0.0.1:${free}`
  for (let i = 0; i < 200; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    const isUp = await request(`http://127.0.0.1:${free}/`).then(({ body }) => body.dump(), () => "down")
    if (isUp !== "down" && (!name.startsWith("ours") || existsSync(keyFile))) break
  }
  const key = existsSync(keyFile) ? { "x-majordomo-key": readFileSync(keyFile, "utf8") } : {}
  return { name, url, child, client, model: "gpt-4.1", headers: { ...more, ...key } }
}

/** What the threads of a process have run, µs. Source: kernel.org, scheduler/sched-stats. */
const cpuOf = ({ child }: Relay): number =>
  readdirSync(`/proc/${child.pid}/task`).reduce((sum, thread) => {
    const [ran] = readFileSync(`/proc/${child.pid}/task/${thread}/schedstat`, "latin1").split(" ")
    return sum + Number(ran) / 1000
  }, 0)

const agent = new Agent({ connections: atOnce })
const body = ({ client, model }: Relay, kind: Kind, word = "Hello ") =>
  JSON.stringify({
    model,
    ...(client === "messages" ? { max_tokens: 1000 } : {}),
    stream: kind === "stream",
    messages: [{ role: "user", content: word.repeat(60) }]
  })

const post = (relay: Relay, dispatcher: Agent, body: string) =>
  request(relay.url + paths[relay.client], {
    dispatcher,
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-bench", ...relay.headers },
    body
  })

const ask = async (relay: Relay, kind: Kind): Promise<void> => {
  const response = await post(relay, agent, body(relay, kind))
  const text = await response.body.text()
  if (response.statusCode !== 200) throw new Error(`${relay.name}: ${response.statusCode} ${text}`)
}

const measure = async (relay: Relay, kind: Kind, amount: number): Promise<number> => {
  const before = cpuOf(relay)
  let left = amount
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) await ask(relay, kind)
  }))
  return (cpuOf(relay) - before) / amount
}

/** KiB that an open stream holds in the relay: one of those after the first, which find room that is there already. */
const held = async (relay: Relay, amount: number): Promise<number> => {
  const opened = async (count: number) => {
    const clients = new Agent()
    await Promise.all(Array.from({ length: count }, async () => {
      const { body: events } = await post(relay, clients, body(relay, "stream", "Hold "))
      await new Promise((resolve, reject) => events.on("data", resolve).on("error", reject))
      events.removeAllListeners("error").on("error", () => {})
    }))
    return clients
  }
  const resident = async (): Promise<number> => {
    await sleep(500)
    relay.child.kill("SIGUSR2")
    await sleep(1000)
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${relay.child.pid}/status`, "latin1"))?.[1])
  }
  const some = await opened(amount * 0.3)
  const before = await resident()
  const others = await opened(amount * 0.7)
  const after = await resident()
  await Promise.all([some.destroy(), others.destroy()])
  return (after - before) / amount / 0.7
}

/** ms until the first byte of a stream. */
const untilFirst = async (relay: Relay): Promise<number> => {
  const startedAt = performance.now()
  const { body: events } = await post(relay, agent, body(relay, "stream"))
  let first = 0
  for await (const _ of events) first ||= performance.now() - startedAt
  return first
}

const portkey = (() => {
  try {
    return createRequire(import.meta.url).resolve("@portkey-ai/gateway/build/start-server.js")
  } catch {
    return undefined
  }
})()

const translated = async (client: Client): Promise<Relay> => ({
  ...await start(`ours, ${client} translated`, `${folder}/ours.js`),
  client,
  model: "acme/gpt-4.1"
})

const relays = [
  await start("bare relay", `${folder}/floor.js`),
  await start("ours, buffered", `${folder}/ours.js`),
  await translated("chat"),
  await translated("messages"),
  await start("ours, durable", `${folder}/ours.js`, { DURABILITY: "durable" }),
  ...(portkey === undefined ? [] : [
    await start("@portkey-ai/gateway", portkey, {}, ["--port=PORT", "--headless"], {
      "x-portkey-provider": "openai",
      "x-portkey-custom-host": `http://127.0.0.1:${port(upstream)}/v1`
    })
  ])
]

const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

for (const kind of ["json", "stream"] as const) {
  const costs = new Map<string, Array<number>>(relays.map(({ name }) => [name, []]))
  for (const relay of relays) await measure(relay, kind, amounts[kind] * 4)
  for (let round = 0; round < rounds; round++) {
    for (const relay of relays) costs.get(relay.name)?.push(await measure(relay, kind, amounts[kind]))
  }
  const floor = costs.get("bare relay") ?? []
  console.log(kind === "json" ? "\n1 KB of JSON, 64 at once" : "\na stream of 100 events, 64 at once")
  for (const [name, values] of costs) {
    const cost = median(values).toFixed(0).padStart(6)
    // Those of one round were measured beside each other, whatever else the machine did.
    const times = median(values.map((value, round) => value / (floor[round] ?? Number.NaN))).toFixed(2)
    console.log(`  ${name.padEnd(26)} ${cost} µs CPU a request  ${times} ×`)
  }
}

const passing = relays.filter(({ name }) =>
  name === "bare relay" || name === "ours, buffered" || name === "ours, durable"
)
const times = new Map<string, Array<number>>(passing.map(({ name }) => [name, []]))
for (let i = -50; i < first; i++) {
  for (const relay of passing) {
    const time = await untilFirst(relay)
    if (i >= 0) times.get(relay.name)?.push(time)
  }
}
const bare = median(times.get("bare relay") ?? [])
console.log("\nthe first byte of a stream, one at a time")
for (const [name, values] of times) {
  const time = median(values)
  console.log(`  ${name.padEnd(26)} ${time.toFixed(3).padStart(6)} ms  ${(time - bare).toFixed(3).padStart(6)} ms more`)
}
for (const { child } of relays) child.kill("SIGTERM")

const fresh = [
  await start("bare relay", `${folder}/floor.js`),
  await start("ours, buffered", `${folder}/ours.js`),
  await start("ours, durable", `${folder}/ours.js`, { DURABILITY: "durable" })
]
console.log(`\n${idle} open streams in which nothing happens`)
let least = Number.NaN
for (const relay of fresh) {
  const kib = await held(relay, idle)
  if (Number.isNaN(least)) least = kib
  console.log(
    `  ${relay.name.padEnd(26)} ${kib.toFixed(1).padStart(6)} KiB a stream  ${
      (kib - least).toFixed(1).padStart(6)
    } more`
  )
}
for (const { child } of fresh) child.kill("SIGTERM")
upstream.close()
upstream.closeAllConnections()
process.exit(0)
