import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { chatAnswer, question, send, temporary, upstream } from "../gateway/running.ts"
import { begin, runProcess } from "./command.ts"
import { run } from "./inProcess.ts"

const gateway = (cwd: string, env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function*() {
    const running = yield* begin(["gateway"], { cwd, env: { MAJORDOMO_PORT: "0", MAJORDOMO_ADMIN_PORT: "0", ...env } })
    let said = ""
    const listening = Effect.async<{ readonly url: string; readonly said: () => string }>((resume) => {
      running.child.stderr?.on("data", (chunk) => {
        said += String(chunk)
        const url = /gateway on (http:\S+),/.exec(said)?.[1]
        if (url !== undefined && said.includes("X-Majordomo-Key:")) resume(Effect.succeed({ url, said: () => said }))
      })
    })
    return {
      ...running,
      ...(yield* Effect.raceFirst(
        listening,
        Effect.flatMap(running.ended, ({ stderr }) => Effect.dieMessage(stderr))
      ))
    }
  })

it.scopedLive(
  "one command: keys are shown once, requests are told to a collector and in lines, and it ends in order",
  () =>
    Effect.gen(function*() {
      const cwd = yield* temporary
      const provider = yield* upstream((_, response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(chatAnswer)
      })
      const collector = yield* upstream((_, response) => response.end("{}"))
      writeFileSync(join(cwd, "majordomo.json"), JSON.stringify({ providers: { openai: { baseUrl: provider.url } } }))
      const first = yield* gateway(cwd, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url })
      const key = /mdm_sk_\w+/.exec(first.said())?.[0] ?? ""
      const admin = /mdm_at_\w+/.exec(first.said())?.[0] ?? ""
      const answer = yield* send(`${first.url}/v1/chat/completions`, {
        headers: {
          "content-type": "application/json",
          authorization: "Bearer sk-client",
          "x-majordomo-key": key,
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        },
        body: question()
      })
      assert.strictEqual(answer.status, 200)
      first.child.kill("SIGTERM")
      const { code, stdout } = yield* first.ended
      assert.strictEqual(code, 143)
      const line = JSON.parse(stdout.trim())
      assert.deepStrictEqual([line.status, line.inputTokens, line.cost], [200, 10, "0.00006"])
      const traces = collector.bodies.filter((_, i) => collector.requests[i]?.url === "/v1/traces").join("")
      assert.include(traces, "Gateway.request")
      assert.include(traces, "0af7651916cd43dd8448eb211c80319c")
      assert.notInclude(traces + collector.bodies.join(""), key)

      const second = yield* gateway(cwd)
      assert.notInclude(second.said(), key)
      assert.notInclude(second.said(), admin)
      second.child.kill("SIGTERM")
      yield* second.ended
      const listed = yield* run(["keys", "list", "--json"], { cwd })
      assert.strictEqual(JSON.parse(listed.stdout).length, 1)
      const costs = yield* run(["costs", "--db", "majordomo.db", "--json"], { cwd })
      assert.include(costs.stdout, "0.00006")
    }),
  { timeout: 60_000 }
)

it.scopedLive(
  "keys: made for a while and for some models, kept for providers, refused when told wrongly",
  () =>
    Effect.gen(function*() {
      const cwd = yield* temporary
      const env = { MAJORDOMO_ENCRYPTION_KEY: "ab".repeat(32) }
      const made = yield* runProcess([
        "keys",
        "create",
        "--name",
        "team",
        "--expires",
        "90d",
        "--models",
        "gpt-4.1*,o3"
      ], {
        cwd
      })
      assert.match(made.stdout, /^mdm_sk_\w{49}\n$/)
      const [key] = JSON.parse((yield* run(["keys", "list", "--json"], { cwd })).stdout)
      assert.deepStrictEqual(key.models, ["gpt-4.1*", "o3"])
      assert.notInclude(JSON.stringify(key), made.stdout.trim())
      assert.strictEqual((yield* run(["keys", "rotate", key.id], { cwd })).code, 0)
      assert.strictEqual((yield* run(["keys", "revoke", key.id], { cwd })).code, 0)
      assert.include((yield* run(["keys", "list"], { cwd })).stdout, "revoked")
      assert.strictEqual((yield* run(["keys", "revoke", "key_none"], { cwd })).code, 1)
      assert.strictEqual((yield* run(["keys", "create", "--name", "x", "--expires", "soon"], { cwd })).code, 2)
      assert.strictEqual(
        (yield* runProcess(["provider-keys", "set", "openai"], { cwd, env, input: "sk-kept\n" })).code,
        0
      )
      const kept = yield* run(["provider-keys", "list"], { cwd, env })
      assert.include(kept.stdout, "openai")
      assert.notInclude(kept.stdout, "sk-kept")
      const unsealed = yield* run(["provider-keys", "set", "openai"], { cwd, input: "sk-kept\n" })
      assert.strictEqual(unsealed.code, 1)
      assert.include(unsealed.stderr, "MAJORDOMO_ENCRYPTION_KEY")
    }),
  { timeout: 60_000 }
)

it.scopedLive("a configuration that is wrong says where", () =>
  Effect.gen(function*() {
    const cwd = yield* temporary
    writeFileSync(join(cwd, "majordomo.json"), JSON.stringify({ prot: 1, providers: { acme: { wire: "telepathy" } } }))
    const checked = yield* runProcess(["gateway", "--check"], { cwd })
    assert.strictEqual(checked.code, 1)
    assert.include(checked.stderr, "prot: is unexpected")
    assert.include(checked.stderr, "providers.acme.wire")
    writeFileSync(join(cwd, "majordomo.json"), JSON.stringify({ providers: { openai: { key: { env: "NOT_SET" } } } }))
    assert.include((yield* run(["gateway", "--check"], { cwd })).stderr, "NOT_SET is not set")
    writeFileSync(join(cwd, "majordomo.json"), JSON.stringify({ port: 7000 }))
    assert.strictEqual((yield* run(["gateway", "--check"], { cwd })).code, 0)
  }))
