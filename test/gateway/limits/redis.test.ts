import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, ConfigProvider, Effect, Either, Fiber, Layer, Logger, Option, Redacted, Schedule } from "effect"
import { LLM } from "effect-majordomo"
import * as Gateway from "effect-majordomo/gateway/Gateway"
import * as GatewayConfig from "effect-majordomo/gateway/GatewayConfig"
import * as Limits from "effect-majordomo/gateway/Limits"
import { TestLLM } from "effect-majordomo/testing"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { Limiter } from "../../../src/gateway/internal/limits/limiter.ts"
import * as redisStore from "../../../src/gateway/internal/limits/redisStore.ts"
import type * as rules from "../../../src/gateway/internal/limits/rule.ts"
import { begin } from "../../cli/command.ts"
import * as proxies from "../../proxy.ts"
import { chatAnswer, question, rawUpstream, rowsOf, run, send, temporary, upstream } from "../running.ts"
import { facts } from "./facts.ts"
import * as redis from "./redis.ts"

const budget = 1_000_000n
const purse = (storeAway?: rules.Rule["storeAway"]): rules.Rule => ({
  name: "purse",
  budget: { usd: "0.000001", per: "total" },
  storeAway
})

const replica = (url: string, rule: rules.Rule) =>
  Effect.flatMap(redisStore.make({ url: Redacted.make(url) }), (store) => Limiter.make([rule], store))

/** Calls one after the other until none is admitted any more; what they took in all. */
const spend = (limiter: Limiter, seed: number, calls: number) =>
  Effect.gen(function*() {
    let took = 0n
    for (let at = 0; at < calls; at++) {
      const estimate = BigInt(1 + (seed * 7919 + at * 104_729) % 997)
      const lease = yield* Effect.either(limiter.admit(facts, { tokens: 0n, usd: estimate }, () => {}))
      if (Either.isRight(lease) && lease.right !== undefined) {
        yield* Effect.sleep(1)
        yield* lease.right.settle({ tokens: 1n, usd: estimate, isPartial: false })
        took += estimate
      } else yield* Effect.sleep(5)
    }
    return took
  })

const usedIn = (server: Pick<redis.Server, "ask">) =>
  server.ask((client) => client.hget("{majordomo}:limits:window:0:purse/usd/all/", "used"))

if (redis.isStartable) {
  describe("limits in a Redis of the test's own (redis-server is on the PATH)", () => {
    it.scopedLive(
      "replicas that write at once spend one budget to its end, and Redis holds what they took",
      () =>
        Effect.gen(function*() {
          const server = yield* redis.server()
          const took = yield* Effect.scoped(Effect.gen(function*() {
            const replicas = yield* Effect.all(Array.from({ length: 4 }, () => replica(server.url, purse())))
            return yield* Effect.forEach(
              [...replicas, ...replicas],
              (limiter, seed) => spend(limiter, seed, 600),
              { concurrency: "unbounded" }
            )
          }))
          const sum = took.reduce((a, b) => a + b)
          assert.isTrue(sum <= budget, `${sum} of ${budget}`)
          assert.isTrue(sum > budget - 1000n, `${sum} of ${budget}`)
          assert.strictEqual(yield* usedIn(server), String(sum))
        }),
      60_000
    )

    for (const keeps of [true, false]) {
      it.scopedLive(
        `a server that is killed in the middle ${
          keeps ? "goes on with what it has on disk" : "and has forgotten all is told again by those that live"
        }`,
        () =>
          Effect.gen(function*() {
            const server = yield* redis.server({ keeps })
            const took = yield* Effect.scoped(Effect.gen(function*() {
              const replicas = yield* Effect.all(
                Array.from({ length: 3 }, () => replica(server.url, purse(keeps ? "refuse" : "count")))
              )
              const spending = yield* Effect.fork(Effect.forEach(
                replicas,
                (limiter, seed) => spend(limiter, seed, keeps ? 1500 : 500),
                { concurrency: "unbounded" }
              ))
              for (let times = 0; times < 2; times++) {
                yield* Effect.sleep("400 millis")
                yield* server.kill
                yield* Effect.sleep("400 millis")
                yield* server.start
              }
              const all = yield* Fiber.join(spending)
              // Those that were away find it again.
              yield* Effect.repeat(
                Effect.zipRight(
                  Effect.sleep("50 millis"),
                  Effect.forEach(replicas, ({ synchronize }) => synchronize())
                ),
                {
                  until: () => Effect.map(usedIn(server), (used) => used === String(all.reduce((a, b) => a + b))),
                  times: 200
                }
              )
              return all
            }))
            const sum = took.reduce((a, b) => a + b)
            assert.strictEqual(yield* usedIn(server), String(sum))
            if (keeps) assert.isTrue(sum <= budget, `${sum} of ${budget}`)
          }),
        60_000
      )
    }

    it.scopedLive("a network that falls silent in the middle holds up nobody, and is used again when it speaks", () =>
      Effect.gen(function*() {
        const server = yield* redis.server()
        const proxy = yield* proxies.before(server.port)
        const url = new URL(server.url)
        url.port = String(proxy.port)
        const limiter = yield* replica(url.href, purse("refuse"))
        const ask = limiter.admit(facts, { tokens: 0n, usd: 400_000n }, () => {})
        const first = yield* ask
        yield* proxy.silence
        yield* first?.settle({ tokens: 1n, usd: 400_000n, isPartial: false }) ?? Effect.void
        assert.strictEqual(
          (yield* Effect.flip(limiter.admit(facts, { tokens: 0n, usd: 600_000n }, () => {}))).reason,
          "storeAway"
        )
        yield* proxy.speak
        const second = yield* Effect.retry(ask, {
          while: ({ reason }) => reason === "storeAway",
          times: 500,
          schedule: Schedule.spaced("20 millis")
        })
        yield* second?.settle({ tokens: 1n, usd: 400_000n, isPartial: false }) ?? Effect.void
        yield* limiter.synchronize()
        assert.strictEqual(yield* usedIn(server), "800000")
      }))

    it.scopedLive("its keys are of one slot and end by themselves, but for what is spent of a budget in all", () =>
      Effect.gen(function*() {
        const server = yield* redis.server()
        const store = yield* redisStore.make({ url: Redacted.make(server.url) })
        const now = Date.now()
        const rates = yield* Limiter.make([{
          name: "all",
          by: "user",
          requestsPerMinute: 10,
          concurrent: 2,
          budget: { usd: "1", per: "day" }
        }, purse()], store)
        for (let user = 0; user < 50; user++) {
          const lease = yield* rates.admit(
            { ...facts, labels: { User: `{u}\0${user}` } },
            { tokens: 1n, usd: 5n },
            () => {}
          )
          yield* lease?.settle({ tokens: 1n, usd: 5n, isPartial: false }) ?? Effect.void
        }
        yield* rates.synchronize()
        assert.isTrue(yield* store.claim("all/usd/user/ada", { starts: 0, ends: now + 1000 }, 0.5))
        assert.isFalse(yield* store.claim("all/usd/user/ada", { starts: 0, ends: now + 1000 }, 0.5))
        const keys = yield* server.ask((client) => client.keys("*"))
        assert.isTrue(keys.every((key) => key.startsWith("{majordomo}:limits:")))
        const lasting = yield* Effect.filter(keys, (key) => server.ask(async (client) => await client.pttl(key) === -1))
        assert.deepStrictEqual(
          lasting.sort(),
          ["ends", "index", "window:0:purse/usd/all/"].map((name) => `{majordomo}:limits:${name}`)
        )
        const usage = yield* rates.usage()
        assert.deepStrictEqual(
          usage.map(({ dimension, rule, scopes }) => [rule.name, dimension, scopes.length]),
          [["all", "requests", 50], ["all", "concurrent", 50], ["all", "usd", 50], ["purse", "usd", 1]]
        )
        assert.strictEqual(usage[3]?.scopes[0]?.used, 250n)
      }))

    it.scopedLive(
      "what was spent is listed, the most first, of however many there are; windows that are over leave the list",
      () =>
        Effect.gen(function*() {
          const server = yield* redis.server()
          const store = yield* redisStore.make({ url: Redacted.make(server.url), time: "caller" })
          const at = 1_000_000_000
          const window = { starts: at - 60_000, ends: at + 60_000 }
          const report = (spent: number) => ({ limit: 10_000n, spent: BigInt(spent), keeps: 0n, wants: 0n })
          yield* store.report(
            Array.from({ length: 2500 }, (_, user) => ({
              account: `rule/usd/user/ü${user}`,
              window,
              holder: "h",
              report: report(user)
            })),
            at
          )
          yield* store.report([{ account: "rule/usd/users", window, holder: "h", report: report(9999) }], at)
          const found = yield* store.usage("rule/usd/user/", at)
          assert.deepStrictEqual(
            found.map(({ used }) => used),
            Array.from({ length: 1000 }, (_, n) => BigInt(2499 - n))
          )
          assert.deepStrictEqual(yield* store.usage("rule/usd/user/", window.ends), [])
          // Some are taken out with every write.
          const later = { starts: window.ends, ends: window.ends + 60_000 }
          for (let n = 0; n < 400; n++) {
            yield* store.report(
              [{ account: `late/${n % 5}`, window: later, holder: "h", report: report(n) }],
              at + 10_000_000
            )
          }
          assert.strictEqual(yield* server.ask((client) => client.zcard("{majordomo}:limits:index")), 5)
          assert.strictEqual(yield* server.ask((client) => client.zcard("{majordomo}:limits:ends")), 5)
        }),
      60_000
    )

    it.scopedLive(
      "the command, which carries its driver with it, counts in the one that its environment names",
      () =>
        Effect.gen(function*() {
          const server = yield* redis.server()
          const provider = yield* upstream((_, response) => {
            response.writeHead(200, { "content-type": "application/json" })
            response.end(chatAnswer)
          })
          const directory = yield* temporary
          writeFileSync(
            join(directory, "majordomo.json"),
            JSON.stringify({
              auth: "optional",
              accessLog: false,
              providers: { openai: { baseUrl: provider.url } },
              limits: [{ name: "rate", requestsPerMinute: 100 }]
            })
          )
          const { child, ended } = yield* begin(["gateway"], {
            cwd: directory,
            env: { MAJORDOMO_PORT: "0", MAJORDOMO_ADMIN_PORT: "0", MAJORDOMO_REDIS: server.url }
          })
          const listening = Effect.async<string>((resume) => {
            child.stderr?.on("data", (chunk) => {
              const found = /gateway on (http:\S+),/.exec(String(chunk))?.[1]
              if (found !== undefined) resume(Effect.succeed(found))
            })
          })
          const url = yield* Effect.raceFirst(
            listening,
            Effect.flatMap(ended, ({ stderr }) => Effect.dieMessage(stderr))
          )
          yield* send(`${url}/v1/chat/completions`, { body: question(), headers: { authorization: "Bearer sk-test" } })
          const keys = yield* server.ask((client) => client.keys("{majordomo}:limits:window:*:rate/*"))
          assert.lengthOf(keys, 1)
          child.kill("SIGTERM")
          const { stderr, stdout } = yield* ended
          assert.notInclude(stderr + stdout, redis.password)
        }),
      60_000
    )

    it.scopedLive(
      "gateways share a budget in it, which is what the provider billed and what the rows say",
      () =>
        Effect.gen(function*() {
          const server = yield* redis.server()
          let billed = 0
          const provider = yield* upstream((_, response) => {
            billed++
            response.writeHead(200, { "content-type": "application/json" })
            response.end(chatAnswer)
          })
          const start = run({
            auth: "optional",
            redis: { url: Redacted.make(server.url) },
            providers: { openai: { baseUrl: provider.url } },
            limits: [{ name: "purse", budget: { usd: "0.00063", per: "total" } }]
          })
          const gateways = [yield* start, yield* start]
          const statuses = yield* Effect.forEach(
            Array.from({ length: 30 }, (_, at) => at),
            (at) =>
              send(`${gateways[at % 2]?.url}/v1/chat/completions`, {
                body: question(),
                headers: { authorization: "Bearer sk-test" }
              }),
            { concurrency: 4 }
          )
          const passed = statuses.filter(({ status }) => status === 200).length
          assert.isTrue(statuses.every(({ status }) => status === 200 || status === 402))
          assert.isTrue(passed >= 8 && passed <= 14, `${passed}`)
          assert.strictEqual(passed, billed)
          const rows = (yield* Effect.forEach(gateways, (gateway) => rowsOf(gateway, 15))).flat()
          assert.strictEqual(rows.filter(({ status }) => status === "success").length, billed)
          // Each costs 60 millionths: rows book what the last report of a second ago did not.
          assert.strictEqual(yield* usedIn(server), String(BigInt(billed) * 60_000_000n))
        }),
      60_000
    )
  })
}

const ask = LLM.generateText({ prompt: "Hi" })

const program = (url: string, rule: rules.Rule) =>
  Layer.provide(
    Limits.layerRedis([rule], { url: Redacted.make(url) }),
    TestLLM.layer([TestLLM.text("Hello")], { repeat: true })
  )

describe("a Redis that does not answer", () => {
  const slots = (storeAway?: rules.Rule["storeAway"]): rules.Rule => ({ name: "slots", concurrent: 1, storeAway })

  it.scopedLive("accepts and is silent: each process counts what it knows, or refuses, as its rules say, and ends", () =>
    Effect.gen(function*() {
      const silent = (yield* rawUpstream(() => {})).replace("http:", "redis:")
      assert.strictEqual((yield* Effect.provide(ask, program(silent, slots()))).text, "Hello")
      const error = yield* Effect.flip(Effect.provide(ask, program(silent, slots("refuse"))))
      assert.include(error.message, "cannot be reached")
    }))

  it.scopedLive("is not there, or wants another password: nothing of its address is told", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ cause, message }) => {
          told.push(`${String(message)} ${Cause.pretty(cause)}`)
        })
      )
      const url = `redis://majordomo:url-canary@127.0.0.1:1/0`
      const error = yield* Effect.flip(Effect.provide(ask, Layer.provideMerge(program(url, slots("refuse")), logger)))
      assert.notInclude(`${String(error)} ${JSON.stringify(error)}`, "url-canary")
      assert.include(told.join("\n"), "ECONNREFUSED")
      if (redis.isStartable) {
        const { port } = yield* redis.server()
        const wrong = `redis://:url-canary@127.0.0.1:${port}`
        yield* Effect.provide(ask, Layer.provideMerge(program(wrong, slots()), logger))
        assert.include(told.join("\n"), "WRONGPASS")
      }
      assert.notInclude(told.join("\n"), "canary")
    }))

  it.effect("or whose address is none is told where it stands, without what it is", () =>
    Effect.gen(function*() {
      for (
        const url of [
          "http://h",
          "url-canary",
          "redis://",
          "redis://:url-canary@h/x",
          "redis://u:%E0%A4@h",
          "redis://h?x=1"
        ]
      ) {
        const error = yield* Effect.flip(Effect.provide(ask, program(url, slots())))
        assert.strictEqual(error._tag, "ConfigurationError")
        assert.include(error.message, "redis.url")
        assert.notInclude(error.message, "canary")
      }
      const parsed = yield* GatewayConfig.parse(`{ "redis": { "url": { "env": "REDIS" }, "prefix": "a" } }`)
      assert.deepStrictEqual(parsed.redis, { url: { env: "REDIS" }, prefix: "a" })
      assert.include(
        (yield* Effect.flip(GatewayConfig.parse(`{ "redis": { "url": "redis://h" } }`))).message,
        "redis.url"
      )
    }))

  it.effect("may be named by the environment, which does not put its password into the configuration", () =>
    Effect.gen(function*() {
      const url = "redis://:url-canary@127.0.0.1:1"
      const provider = ConfigProvider.fromMap(new Map([["MAJORDOMO_REDIS", url]]))
      const { accessLog: _, ...file } = yield* Effect.withConfigProvider(GatewayConfig.load(Option.none()), provider)
      assert.deepStrictEqual(file.redis, { url: { env: "MAJORDOMO_REDIS" } })
      yield* Effect.withConfigProvider(Gateway.check(file), provider)
      const { message } = yield* Effect.flip(Gateway.check(file))
      assert.include(message, "MAJORDOMO_REDIS is not set")
    }).pipe(Effect.provide(NodeContext.layer)))
})
