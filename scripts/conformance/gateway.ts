/**
 * Recorded traffic through the gateway: the client gets the recorded bytes, and the row says what the library reads from
 * the same recording.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { Clock, Effect, Either, Layer, Option, Stream } from "effect"
import { Cost, LLM, LLMError, Logging, Output } from "effect-majordomo"
import { mkdtempSync, rmSync } from "node:fs"
import * as http from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Gateway from "../../src/gateway/Gateway.ts"
import type { ProviderOptions } from "../../src/gateway/GatewayConfig.ts"
import * as LogReader from "../../src/logging/LogReader.ts"
import { bytesOf, type Case, type Server, type Split } from "./cases.ts"
import { layerOf } from "./check.ts"

interface Job {
  readonly item: Case
  readonly split: Split
}

/** A provider for each recording, since each has an address of its own. */
const nameOf = ({ item, split }: Job, index: number): string =>
  `c${index}-${split}-${item.provider.replace(/[^a-z0-9]/gi, "-")}`

const wires = {
  "openai-chat": "openai-chat",
  "openai-responses": "openai-responses",
  anthropic: "anthropic",
  gemini: "gemini",
  cohere: "cohere",
  bedrock: "bedrock"
} as const

const isWire = (dialect: string): dialect is keyof typeof wires => Object.hasOwn(wires, dialect)

/** The list that the library takes for a provider of this name. */
const prices = (provider: string): string => /^openai-(chat|responses)$/.test(provider) ? "openai" : provider

const pathOf = ({ dialect, requestModel, stream }: Case): string => {
  const model = encodeURIComponent(requestModel ?? "unknown")
  switch (dialect) {
    case "openai-responses":
      return "/v1/responses"
    case "anthropic":
      return "/v1/messages"
    case "gemini":
      return `/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`
    case "cohere":
      return "/v2/chat"
    case "bedrock":
      return `/model/${model}/converse${stream ? "-stream" : ""}`
    default:
      return "/v1/chat/completions"
  }
}

/** It asks for the usage itself, so that nothing is taken out. */
const bodyOf = ({ requestModel, stream }: Case): string =>
  JSON.stringify({
    model: requestModel ?? "unknown",
    ...(stream ? { stream, stream_options: { include_usage: true } } : {})
  })

interface Answer {
  readonly status: number
  readonly requestId: string
  readonly body: Buffer
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })

const ask = (url: string, item: Case): Effect.Effect<Answer, Error> =>
  Effect.async((resume) => {
    const fail = (error: Error) => resume(Effect.fail(error))
    const request = http.request(url, {
      agent,
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer conformance-key" }
    }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("error", fail)
      response.on("end", () =>
        resume(Effect.succeed({
          status: response.statusCode ?? 0,
          requestId: String(response.headers["x-majordomo-request-id"]),
          body: Buffer.concat(chunks)
        })))
    })
    request.on("error", fail)
    request.end(bodyOf(item))
  })

/** What the library makes of the recording. */
const readByLibrary = (item: Case, url: string) =>
  Effect.gen(function*() {
    const layer = layerOf(item, url)
    if (layer === undefined) return undefined
    let ended: LLM.CallEnd | undefined
    const watched = Layer.provide(
      LLM.onEnd((end) =>
        Effect.sync(() => {
          ended = end
        })
      ),
      layer
    )
    const request = { prompt: "conformance", output: Output.text }
    const called = Effect.flatMap(
      LLM.LLM,
      (llm) => item.stream ? Stream.runDrain(llm.stream(request)) : Effect.asVoid(llm.generate(request))
    )
    yield* Effect.either(Effect.provide(called, watched))
    return ended
  })

/** A clock that stands where it is put: prices depend on the time. */
const standing = () => {
  let millis = 0
  const clock: Clock.Clock = Object.create(Clock.make(), {
    unsafeCurrentTimeMillis: { value: () => millis },
    currentTimeMillis: { value: Effect.sync(() => millis) }
  })
  return {
    clock,
    put: (time: number) => {
      millis = time
    }
  }
}

const timeOf = ({ expect }: Case): number => Date.parse(expect.cost?.at ?? "2026-11-20T12:00:00.000Z")

const compare = (job: Job, url: string, library: string) =>
  Effect.gen(function*() {
    const { item } = job
    const problems: Array<string> = []
    const differ = (what: string, actual: unknown, expected: unknown) => {
      if (actual !== expected) problems.push(`${what}: ${String(actual)}, expected ${String(expected)}`)
    }
    const answer = yield* ask(url, item)
    differ("status", answer.status, item.response.status)
    if (!answer.body.equals(bytesOf(item))) problems.push("the bytes of the answer are not those of the recording")
    const end = yield* readByLibrary(item, library)
    yield* Logging.flush
    const row = Option.getOrUndefined(yield* LogReader.find(answer.requestId))?.entry
    if (row === undefined) return [...problems, "there is no row"]
    if (end === undefined) return [...problems, "the library told nothing"]
    differ("input tokens", row.inputTokens, end.usage.inputTokens)
    differ("output tokens", row.outputTokens, end.usage.outputTokens)
    differ("cached tokens", row.cachedTokens, end.usage.cachedInputTokens)
    differ("cache creation tokens", row.cacheCreationTokens, end.usage.cacheCreationTokens)
    differ("reasoning tokens", row.reasoningTokens, end.usage.reasoningTokens)
    differ(
      "cost",
      row.totalCost,
      Option.getOrUndefined(Option.map(end.cost, ({ exact }) => Cost.amountToString(exact.total)))
    )
    differ("outcome", row.status, end.outcome)
    differ("error", row.errorType, Option.getOrUndefined(Option.map(end.error, LLMError.tagOf)))
    const response = Option.getOrUndefined(end.response)
    if (response !== undefined) differ("finish reason", row.finishReason, response.finishReason)
    differ("HTTP status", row.statusCode, item.response.status)
    return problems
  })

/** One result for each recording and each way of cutting it. */
export const check = (cases: ReadonlyArray<Case>, modes: ReadonlyArray<Split>, server: Server) => {
  const jobs = modes.flatMap((split) => cases.map((item): Job => ({ item, split })))
  const names = jobs.map((job, index) => nameOf(job, index))
  const providers: Record<string, ProviderOptions> = {}
  for (const [i, { item, split }] of jobs.entries()) {
    if (!isWire(item.dialect)) continue
    const base = item.dialect === "bedrock" ? "/bedrock" : item.dialect === "cohere" ? "/v2" : "/v1"
    providers[names[i] ?? ""] = {
      wire: wires[item.dialect],
      baseUrl: `${server.url(item, split)}${base}`,
      prices: prices(item.provider)
    }
  }
  return Effect.gen(function*() {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "majordomo-conformance-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const { clock, put } = standing()
    const gateway = Gateway.layer({
      port: 0,
      admin: { port: 0 },
      auth: "optional",
      database: join(directory, "log.db"),
      log: { durability: "buffered", spool: join(directory, "spool") },
      providers
    })
    const run = Effect.gen(function*() {
      const { url } = yield* Gateway.Gateway
      const times = [...new Set(jobs.map(({ item }) => timeOf(item)))]
      const all = yield* Effect.forEach(times, (time) =>
        Effect.zipRight(
          Effect.sync(() => put(time)),
          Effect.forEach(
            [...jobs.entries()].filter(([, { item }]) => timeOf(item) === time),
            ([i, job]) => {
              const { item, split } = job
              const compared = compare(job, `${url}/${names[i]}${pathOf(item)}`, server.url(item, split))
              return Effect.map(
                Effect.either(compared),
                (result) => ({
                  item,
                  split,
                  problems: Either.isLeft(result) ? [`failed: ${result.left.message}`] : result.right
                })
              )
            },
            { concurrency: 8 }
          )
        ))
      return all.flat()
    })
    return yield* run.pipe(Effect.provide(gateway), Effect.withClock(clock), Effect.provide(NodeHttpClient.layerUndici))
  })
}
