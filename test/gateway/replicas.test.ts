/** Three gateways over one database, behind a load balancer, some of which are killed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Random, type Scope } from "effect"
import { writeFileSync } from "node:fs"
import * as http from "node:http"
import { join } from "node:path"
import { begin } from "../cli/command.ts"
import { type Database, pg } from "../logging/databases.ts"
import { isSoak } from "../runs.ts"
import { chatAnswer, listening, question, send, temporary, upstream } from "./running.ts"

interface Replica {
  readonly url: string
  readonly kill: Effect.Effect<void>
}

const start = (directory: string, database: string): Effect.Effect<Replica, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { child, ended } = yield* begin(["gateway"], {
      cwd: directory,
      env: { MAJORDOMO_PORT: "0", MAJORDOMO_ADMIN_PORT: "0", MAJORDOMO_DATABASE: database, MAJORDOMO_AUTH: "optional" }
    })
    const listens = Effect.async<string>((resume) => {
      child.stderr?.on("data", (chunk) => {
        const found = /gateway on (http:\S+),/.exec(String(chunk))?.[1]
        if (found !== undefined) resume(Effect.succeed(found))
      })
    })
    const url = yield* Effect.raceFirst(
      listens,
      Effect.flatMap(ended, ({ stderr }) => Effect.dieMessage(stderr))
    )
    return { url, kill: Effect.zipRight(Effect.sync(() => child.kill("SIGKILL")), ended) }
  })

/** To each that lives in turn; one that is gone is asked no more. */
const balancer = (replicas: ReadonlyArray<Replica>) => {
  let turn = 0
  return listening(http.createServer((request, response) => {
    const to = replicas[turn++ % replicas.length]
    if (to === undefined) return response.writeHead(503).end()
    const onward = http.request(
      to.url + request.url,
      { method: request.method, headers: request.headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        answer.on("error", () => response.destroy())
      }
    )
    onward.on("error", () => response.destroy())
    request.pipe(onward)
    return undefined
  }))
}

/** What one call of `question` costs, and less than it holds: 10 · 2 + 5 · 8 millionths of a dollar. */
const price = 60
const asked = question({ max_tokens: 5 })

const usedOf = (database: Database) =>
  Effect.map(
    database.query(
      "SELECT CAST(SUM(used) AS TEXT) AS used FROM gateway_limit_windows WHERE account = 'purse/usd/all/'"
    ),
    ([row]) => Number(row?.["used"] ?? 0) / 1e6
  )

const rowsOf = (database: Database) =>
  Effect.map(
    database.query("SELECT request_id, status, CAST(total_cost AS TEXT) AS cost FROM llm_requests"),
    (rows) => rows.map((row) => ({ id: String(row["request_id"]), cost: Number(row["cost"] ?? 0) * 1e6 }))
  )

describe("replicas behind a load balancer", () => {
  it.scopedLive(
    "lose no row, double none, and spend one budget to the last cent, though they are killed",
    () =>
      Effect.gen(function*() {
        const directory = yield* temporary
        const database = yield* pg
        const provider = yield* upstream((_, response) => {
          response.writeHead(200, { "content-type": "application/json" })
          setTimeout(() => response.end(chatAnswer), 5)
        })
        const kills = isSoak ? 20 : 2
        const budget = isSoak ? 2_000_000 : 60_000
        writeFileSync(
          join(directory, "majordomo.json"),
          JSON.stringify({
            providers: { openai: { baseUrl: provider.url } },
            accessLog: false,
            limits: [{ name: "purse", budget: { usd: String(budget / 1e6), per: "total" } }]
          })
        )
        const begun = start(directory, database.url)
        // The first three make the tables of one empty database at the same time.
        const replicas = yield* Effect.all([begun, begun, begun], { concurrency: 3 })
        for (const { url } of replicas) assert.strictEqual((yield* send(`${url}/readyz`)).status, 200)
        const url = yield* balancer(replicas)

        const whole: Array<string> = []
        const statuses = new Set<number>()
        let isOver = false
        const agent = new http.Agent({ keepAlive: true })
        const one = Effect.async<void>((resume) => {
          const request = http.request(`${url}/v1/chat/completions`, {
            agent,
            method: "POST",
            headers: { "content-type": "application/json", authorization: "Bearer sk-proj-client" }
          }, (response) => {
            response.resume()
            response.on("error", () => {})
            response.on("close", () => {
              statuses.add(response.statusCode ?? 0)
              if (response.complete && response.statusCode === 200) {
                whole.push(String(response.headers["x-majordomo-request-id"]))
              }
              resume(Effect.void)
            })
          })
          request.on("error", () => resume(Effect.void))
          request.end(asked)
        })
        const asking = yield* Effect.fork(
          Effect.forEach(
            Array.from({ length: 12 }),
            () => Effect.repeat(one, { until: () => isOver }),
            { concurrency: "unbounded", discard: true }
          )
        )
        for (let killed = 0; killed < kills; killed++) {
          yield* Effect.sleep(`${yield* Random.nextIntBetween(200, 700)} millis`)
          const at = yield* Random.nextIntBetween(0, replicas.length)
          yield* replicas[at]?.kill ?? Effect.void
          replicas.splice(at, 1)
          replicas.push(yield* begun)
        }
        yield* Effect.sleep("300 millis")
        isOver = true
        yield* asking.await
        agent.destroy()
        for (const { url } of replicas) assert.strictEqual((yield* send(`${url}/readyz`)).status, 200)
        assert.isAbove(whole.length, 0)
        assert.isTrue([...statuses].every((status) => status === 200 || status === 402), [...statuses].join())

        // What the killed ones have left is taken over when they count as dead, which takes a while.
        const state = Effect.gen(function*() {
          const rows = yield* rowsOf(database)
          const counts = new Map<string, number>()
          for (const { id } of rows) counts.set(id, (counts.get(id) ?? 0) + 1)
          return {
            missing: whole.filter((id) => counts.get(id) === undefined).length,
            doubled: [...counts.values()].filter((count) => count > 1).length,
            unbooked: Math.round(rows.reduce((sum, { cost }) => sum + cost, 0) - (yield* usedOf(database)))
          }
        })
        const last = yield* Effect.repeat(Effect.delay(state, "200 millis"), {
          until: ({ missing, unbooked }) => missing === 0 && unbooked === 0,
          times: isSoak ? 150 : 10
        }).pipe(Effect.zipRight(state))
        assert.strictEqual(last.doubled, 0)
        if (isSoak) assert.deepStrictEqual(last, { missing: 0, doubled: 0, unbooked: 0 })
        const used = yield* usedOf(database)
        assert.isAtMost(used, budget)
        if (isSoak) assert.isAtLeast(used, whole.length * price)
      }),
    { timeout: 180_000 }
  )
})
