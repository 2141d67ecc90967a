import Anthropic, { RateLimitError as AnthropicRateLimitError } from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Redacted } from "effect"
import * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import { createHmac } from "node:crypto"
import * as http from "node:http"
import OpenAI, { APIError, RateLimitError } from "openai"
import { chatAnswer, chatEvents, question, rawUpstream, run, send, upstream } from "../running.ts"

const responsesAnswer = JSON.stringify({
  id: "resp_1",
  object: "response",
  status: "completed",
  model: "gpt-4.1",
  output: [{
    type: "message",
    id: "msg_1",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text: "Hello", annotations: [] }]
  }],
  usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 }
})

const answering = upstream((request, response) => {
  response.writeHead(200, { "content-type": "application/json" })
  response.end(request.url === "/v1/responses" ? responsesAnswer : chatAnswer)
})

const limited = (limits: GatewayConfig.Options["limits"], more: GatewayConfig.Options = {}) =>
  Effect.gen(function*() {
    const provider = yield* answering
    const gateway = yield* run({
      auth: "optional",
      providers: {
        openai: { baseUrl: provider.url, key: Redacted.make("sk-kept") },
        anthropic: { baseUrl: provider.url }
      },
      limits,
      ...more
    })
    const ask = (labels: Readonly<Record<string, string>> = {}, body = question(), path = "/v1/chat/completions") =>
      send(gateway.url + path, {
        body,
        headers: { "content-type": "application/json", authorization: "Bearer sk-test", ...labels }
      })
    return { provider, gateway, ask }
  })

describe("limits of the gateway", () => {
  it.scopedLive("a rate answers 429 with when to come back, in the words of the client's library", () =>
    Effect.gen(function*() {
      const { ask, gateway, provider } = yield* limited([{ name: "team", by: "feature", requestsPerMinute: 2 }])
      const first = yield* ask({ "x-majordomo-feature": "a" })
      assert.strictEqual(first.status, 200)
      assert.strictEqual(first.headers["x-ratelimit-limit-requests"], "2")
      assert.strictEqual(first.headers["x-ratelimit-remaining-requests"], "1")
      assert.match(String(first.headers["x-ratelimit-reset-requests"]), /^\d+(m0)?s$|^\d+ms$/)
      yield* ask({ "x-majordomo-feature": "a" })
      const client = new OpenAI({ apiKey: "sk-test", baseURL: `${gateway.url}/v1`, maxRetries: 0 })
      const error = yield* Effect.flip(Effect.tryPromise({
        try: () =>
          client.chat.completions.create({ model: "gpt-4.1", messages: [{ role: "user", content: "Hi" }] }, {
            headers: { "x-majordomo-feature": "a" }
          }),
        catch: (error) => error
      }))
      assert.instanceOf(error, RateLimitError)
      assert.strictEqual(error.code, "rate_limited")
      assert.isAbove(Number(error.headers?.get("retry-after")), 0)
      assert.strictEqual(error.headers?.get("x-majordomo-limit"), "team")
      assert.strictEqual(error.headers?.get("x-ratelimit-remaining-requests"), "0")
      const anthropic = new Anthropic({ apiKey: "sk-test", baseURL: gateway.url, maxRetries: 0 })
      const other = yield* Effect.flip(Effect.tryPromise({
        try: () =>
          anthropic.messages.create({ model: "claude-sonnet-5", max_tokens: 10, messages: [] }, {
            headers: { "x-majordomo-feature": "a" }
          }),
        catch: (error) => error
      }))
      assert.instanceOf(other, AnthropicRateLimitError)
      assert.strictEqual(other.headers?.get("anthropic-ratelimit-requests-limit"), "2")
      // Others are not held up, whatever the route.
      assert.strictEqual((yield* ask({ "x-majordomo-feature": "b" })).status, 200)
      assert.strictEqual((yield* ask({ "x-majordomo-feature": "a" }, question(), "/v1/embeddings")).status, 429)
      assert.strictEqual(provider.requests.length, 3)
      const rows = yield* gateway.rows
      assert.strictEqual(rows.filter(({ errorType }) => errorType === "RateLimited").length, 3)
    }))

  it.scopedLive("a spent budget answers 402, which no library tries again, on every route", () =>
    Effect.gen(function*() {
      // One answer costs 10 · 2 + 5 · 8 = 60 millionths of a dollar.
      const { ask, gateway, provider } = yield* limited([{ name: "pocket", budget: { usd: "0.00013", per: "day" } }])
      assert.strictEqual((yield* ask()).status, 200)
      assert.strictEqual((yield* ask()).status, 200)
      const client = new OpenAI({ apiKey: "sk-test", baseURL: `${gateway.url}/v1`, maxRetries: 3 })
      const error = yield* Effect.flip(Effect.tryPromise({
        try: () => client.chat.completions.create({ model: "gpt-4.1", messages: [{ role: "user", content: "Hi" }] }),
        catch: (error) => error
      }))
      assert.instanceOf(error, APIError)
      assert.strictEqual(error.status, 402)
      assert.strictEqual(error.code, "budget_exceeded")
      assert.include(error.message, "0.00001 USD left")
      assert.strictEqual(provider.requests.length, 2)
      assert.strictEqual((yield* ask({}, question({ max_tokens: 1000 }))).status, 402)
      assert.strictEqual((yield* ask({}, question(), "/v1/responses")).status, 402)
      // Nothing is generated for a list.
      const list = yield* send(`${gateway.url}/v1/models`, { headers: { authorization: "Bearer sk-test" } })
      assert.strictEqual(list.status, 200)
      assert.strictEqual((yield* gateway.rows).filter(({ errorType }) => errorType === "QuotaExceeded").length, 3)
    }))

  it.scopedLive("an alias is held to the same, in whatever protocol, at the price of the model behind it", () =>
    Effect.gen(function*() {
      const { ask, gateway, provider } = yield* limited([
        { name: "pocket", budget: { usd: "0.00013", per: "day" } },
        { name: "slots", concurrent: 1 }
      ], { models: { fast: "openai/gpt-4.1" } })
      const named = question({ model: "fast", max_tokens: 10 })
      assert.strictEqual((yield* ask({}, named)).status, 200)
      // 17 tokens of a prompt and 10 of an answer are more than what is left.
      assert.strictEqual((yield* ask({}, named)).status, 402)
      const messages = JSON.stringify({ model: "fast", max_tokens: 10, messages: [{ role: "user", content: "Hi" }] })
      assert.strictEqual((yield* ask({}, messages, "/v1/messages")).status, 402)
      assert.strictEqual(provider.requests.length, 1)
      const listed = yield* send(`${gateway.url}/v1/models`, { headers: { authorization: "Bearer sk-test" } })
      assert.strictEqual(listed.status, 200)
    }))

  it.scopedLive("a budget outlives the process", () =>
    Effect.gen(function*() {
      const provider = yield* answering
      const limits = [{ name: "pocket", budget: { usd: "0.00009", per: "total" as const } }]
      const options = (database: string) => ({
        auth: "optional" as const,
        database,
        providers: { openai: { baseUrl: provider.url } },
        limits
      })
      const ask = (url: string) =>
        send(`${url}/v1/chat/completions`, { body: question(), headers: { authorization: "Bearer sk-test" } })
      const { directory } = yield* run({ auth: "optional" })
      const database = `${directory}/kept.db`
      const first = yield* Effect.scoped(
        Effect.flatMap(run(options(database)), ({ url }) => Effect.all([ask(url), ask(url)]))
      )
      assert.deepStrictEqual(first.map(({ status }) => status), [200, 402])
      const { url } = yield* run(options(database))
      assert.strictEqual((yield* ask(url)).status, 402)
    }))

  it.scopedLive("what a rule on trial would refuse passes, and is told", () =>
    Effect.gen(function*() {
      const { ask } = yield* limited([{ name: "trial", requestsPerMinute: 1, mode: "shadow" }])
      assert.isUndefined((yield* ask()).headers["x-majordomo-limit-shadow"])
      const second = yield* ask()
      assert.strictEqual(second.status, 200)
      assert.strictEqual(second.headers["x-majordomo-limit-shadow"], "trial")
    }))

  it.scopedLive("tokens are held by what a request may take, and booked by what it took", () =>
    Effect.gen(function*() {
      const { ask } = yield* limited([{ name: "tokens", tokensPerMinute: 200 }])
      const large = yield* ask({}, question({ max_tokens: 500 }))
      assert.strictEqual(large.status, 413)
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* ask({}, question({ max_tokens: 150 }))).status, 200)
      const after = yield* ask({}, question({ max_tokens: 150 }))
      // 45 of the 200 are booked, and this one may take 150 and its prompt.
      assert.strictEqual(after.status, 429)
      assert.strictEqual(after.headers["x-ratelimit-remaining-tokens"], "155")
    }))

  it.scopedLive("slots come back from clients that vanish, providers that break, and streams that are cut", () =>
    Effect.gen(function*() {
      let broken = 0
      let holds = false
      const url = yield* rawUpstream((socket) => {
        socket.once("data", () => {
          broken++
          if (!holds && broken % 3 === 0) {
            socket.destroy()
            return
          }
          socket.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
          const [event = ""] = chatEvents
          socket.write(`${Buffer.byteLength(event).toString(16)}\r\n${event}\r\n`)
          if (!holds && broken % 3 === 1) setTimeout(() => socket.resetAndDestroy(), 5)
        })
      })
      const gateway = yield* run({
        auth: "optional",
        providers: { openai: { baseUrl: url } },
        limits: [{ name: "slots", concurrent: 2 }]
      })
      const open = (patience: number) =>
        Effect.async<number>((resume) => {
          const request = http.request(`${gateway.url}/v1/chat/completions`, {
            method: "POST",
            agent: false,
            headers: { authorization: "Bearer sk-test" }
          }, (response) => {
            response.resume().on("error", () => {})
            response.on("close", () => resume(Effect.succeed(response.statusCode ?? 0)))
          })
          request.on("error", () => resume(Effect.succeed(0)))
          request.end(question({ stream: true }))
          setTimeout(() => request.destroy(), patience)
        })
      for (let i = 0; i < 12; i++) yield* Effect.all([open(20), open(40)], { concurrency: "unbounded" })
      holds = true
      const statuses = yield* Effect.all(Array.from({ length: 6 }, () => open(500)), { concurrency: "unbounded" })
      assert.strictEqual(statuses.filter((status) => status === 429).length, 4)
      yield* Effect.sleep("50 millis")
      assert.notStrictEqual(yield* open(100), 429)
    }))

  it.scopedLive("a webhook is told once of each part that is spent, signed, and again when it fails", () =>
    Effect.gen(function*() {
      const bodies: Array<string> = []
      let tries = 0
      const hook = yield* upstream((request, response, body) => {
        const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(
          String(request.headers["x-majordomo-signature"])
        ) ?? []
        assert.strictEqual(signature, createHmac("sha256", "shared").update(`${seconds}.${body}`).digest("hex"))
        response.writeHead(++tries === 1 ? 500 : 200).end()
        if (tries > 1) bodies.push(body)
      })
      const { ask } = yield* limited([{
        name: "pocket",
        budget: { usd: "0.000121", per: "month" },
        thresholds: [0.4, 0.9]
      }], {
        webhook: { url: hook.url, secret: Redacted.make("shared") }
      })
      yield* ask()
      const second = yield* ask()
      assert.strictEqual(second.headers["x-majordomo-budget"], "pocket;used=0.49")
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => bodies.length >= 2, times: 200 })
      const told = bodies.map((body): unknown => JSON.parse(body))
      const thresholds = told.map((one) =>
        typeof one === "object" && one !== null && "threshold" in one && one.threshold
      )
      assert.sameMembers(thresholds, [0.4, 0.9])
    }))

  it.effect("a file with a rule that says nothing, or twice the same name, is refused at its place", () =>
    Effect.gen(function*() {
      const problem = (limits: unknown) =>
        Effect.map(
          Effect.either(GatewayConfig.parse(JSON.stringify({ limits }))),
          (parsed) => Either.isLeft(parsed) ? parsed.left.message : ""
        )
      assert.include(yield* problem([{ name: "a" }]), "limits nothing")
      assert.include(yield* problem([{ name: "a", concurrent: 1 }, { name: "a", concurrent: 2 }]), "two rules")
      assert.include(yield* problem([{ name: "a", budget: { usd: "-1", per: "day" } }]), "budget.usd")
      assert.include(yield* problem([{ name: "a", budget: { usd: "1", per: "day", timeZone: "Mars" } }]), "time zone")
      assert.strictEqual(yield* problem([{ name: "a", budget: { usd: "0.10", per: "day" } }]), "")
    }))
})
