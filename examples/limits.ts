/** Budgets of a gateway: a cheaper model when one is spent, a limit of a key's own, and rules that change while it runs. */
import { FetchHttpClient, HttpApiClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import * as Admin from "effect-majordomo/gateway/Admin"
import * as AdminTokens from "effect-majordomo/gateway/AdminTokens"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import { FakeProvider } from "effect-majordomo/testing"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const program = Effect.gen(function*() {
  const { adminUrl, url } = yield* Gateway.Gateway
  const token = yield* (yield* AdminTokens.AdminTokens).create("ops", "admin")
  // What any program does that administers a gateway, from wherever it is.
  const admin = yield* HttpApiClient.make(Admin.Api, {
    baseUrl: adminUrl,
    transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token))
  }).pipe(Effect.provide(FetchHttpClient.layer))
  const { secret } = yield* admin.keep.createKey({
    payload: { name: "search-team", limits: [{ name: "own", requestsPerMinute: 3 }] }
  })
  const ask = Effect.gen(function*() {
    const response = yield* Effect.promise(() =>
      fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-majordomo-key": secret },
        body: JSON.stringify({ model: "gpt-4.1", messages: [{ role: "user", content: "Why is the sky blue?" }] })
      })
    )
    yield* Effect.promise(() => response.text())
    const header = (name: string) => response.headers.get(name) ?? "none"
    yield* Console.log(
      response.status,
      `degraded: ${header("x-majordomo-degraded")}, limit: ${header("x-majordomo-limit")}`
    )
  })

  yield* ask
  yield* admin.rule.setSettings({
    payload: { settings: { limits: [{ name: "day", budget: { usd: "0.000001", per: "day" }, degrade: "cheap" }] } }
  })
  yield* Effect.repeatN(ask, 2)
  for (const { kind, limit, name, scopes } of yield* admin.look.limits({})) {
    yield* Console.log(`${name}: ${scopes[0]?.used ?? 0} of ${limit} ${kind}`)
  }
})

// Stands for OpenAI; in production the provider's own address is known.
const live = Layer.unwrapEffect(Effect.map(FakeProvider.FakeProvider, (fake) => {
  const directory = mkdtempSync(join(tmpdir(), "majordomo-example-"))
  return Gateway.layer({
    port: 0,
    admin: { port: 0 },
    database: join(directory, "majordomo.db"),
    log: { spool: join(directory, "spool") },
    providers: { openai: { baseUrl: fake.url, key: Redacted.make("sk-kept-by-the-gateway") } },
    models: { cheap: "openai/gpt-4.1-mini" }
  })
})).pipe(Layer.provide(FakeProvider.layer()))

program.pipe(Effect.provide(live), NodeRuntime.runMain)
