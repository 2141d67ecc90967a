/** What nobody may lose: rows, when the process is killed, the database is away, or clients come and go as they please. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { writeFileSync } from "node:fs"
import * as http from "node:http"
import { join } from "node:path"
import { begin } from "../cli/command.ts"
import { type Database, pg, pgServer, sqliteAt } from "../logging/databases.ts"
import { isSoak } from "../runs.ts"
import { chatAnswer, chatEvents, question, rowsOf, run, type Running, send, temporary, upstream } from "./running.ts"

const own = { "content-type": "application/json", authorization: "Bearer sk-proj-client" }

/** A provider that answers whole or in events, as it is asked. */
const answering = upstream((_, response, body) => {
  if (body.includes("\"stream\":true")) {
    response.writeHead(200, { "content-type": "text/event-stream" })
    let at = 0
    const next = () => {
      const event = chatEvents[at++]
      if (event === undefined) response.end()
      else response.write(event, () => setImmediate(next))
    }
    next()
  } else {
    response.writeHead(200, { "content-type": "application/json" })
    response.end(chatAnswer)
  }
})

const callers = 16
/** What each answer is billed, millionths of a USD: its row has it, or the limits know of it without one. */
const price = 60

/** Asks until the gateway is gone; gives the ids of the answers that came in full. */
const askUntilGone = (url: string, isGone: () => boolean, got: Array<string>) => {
  const agent = new http.Agent({ keepAlive: true })
  const one = (stream: boolean) =>
    new Promise<boolean>((resolve) => {
      const request = http.request(
        `${url}/v1/chat/completions`,
        { agent, method: "POST", headers: own },
        (response) => {
          response.resume()
          response.on("error", () => {})
          response.on("close", () => {
            if (response.complete && response.statusCode === 200) {
              got.push(String(response.headers["x-majordomo-request-id"]))
            }
            resolve(response.complete)
          })
        }
      )
      request.on("error", () => resolve(false))
      request.end(question({ stream }))
    })
  const worker = async (i: number) => {
    for (let n = i; !isGone(); n++) if (!(await one(n % 2 === 0))) return
  }
  return Effect.promise(() => Promise.all(Array.from({ length: callers }, (_, i) => worker(i))))
}

const start = (directory: string, database: string) =>
  Effect.gen(function*() {
    const running = yield* begin(["gateway"], {
      cwd: directory,
      env: { MAJORDOMO_PORT: "0", MAJORDOMO_ADMIN_PORT: "0", MAJORDOMO_DATABASE: database, MAJORDOMO_AUTH: "optional" }
    })
    const listening = Effect.async<string>((resume) => {
      running.child.stderr?.on("data", (chunk) => {
        const found = /gateway on (http:\S+),/.exec(String(chunk))?.[1]
        if (found !== undefined) resume(Effect.succeed(found))
      })
    })
    const url = yield* Effect.raceFirst(
      listening,
      Effect.flatMap(running.ended, ({ stderr }) => Effect.dieMessage(stderr))
    )
    return { ...running, url }
  })

const killed = (database: string, rowsIn: Database, directory: string, rounds: number) =>
  Effect.gen(function*() {
    const provider = yield* answering
    writeFileSync(
      join(directory, "majordomo.json"),
      JSON.stringify({
        providers: { openai: { baseUrl: provider.url } },
        accessLog: false,
        limits: [{ name: "purse", budget: { usd: "1000", per: "total" } }]
      })
    )
    const got: Array<string> = []
    for (let round = 0; round < rounds; round++) {
      yield* Effect.scoped(Effect.gen(function*() {
        const { child, ended, url } = yield* start(directory, database)
        let isGone = false
        const asking = yield* Effect.fork(askUntilGone(url, () => isGone, got))
        const before = got.length
        yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => got.length >= before + 20 })
        yield* Effect.sleep(`${(round * 137) % 400} millis`)
        child.kill("SIGKILL")
        yield* ended
        isGone = true
        yield* asking.await
      }))
    }
    // The next process takes over what the killed ones left.
    yield* Effect.scoped(Effect.gen(function*() {
      const { child, ended } = yield* start(directory, database)
      const missing = Effect.map(
        rowsIn.query("SELECT request_id, COUNT(*) AS n FROM llm_requests GROUP BY request_id"),
        (rows) => {
          const counts = new Map(rows.map((row) => [String(row["request_id"]), Number(row["n"])]))
          return got.filter((id) => counts.get(id) !== 1)
        }
      )
      const last = yield* Effect.repeat(Effect.delay(missing, "200 millis"), {
        until: (ids) => ids.length === 0,
        times: 200
      }).pipe(Effect.zipRight(missing))
      assert.deepStrictEqual(last, [])
      // What each of them took is booked, though it was killed before it could say so; of calls that were killed between
      // their booking and their row, the limits know more than the log, and never more than the provider.
      const books = Effect.map(
        Effect.all([
          rowsIn.query("SELECT CAST(total_cost AS TEXT) AS cost FROM llm_requests"),
          rowsIn.query("SELECT CAST(used AS TEXT) AS used FROM gateway_limit_windows WHERE account = 'purse/usd/all/'")
        ]),
        ([rows, [window]]) => ({
          logged: rows.reduce((sum, { cost }) => sum + Math.round(Number(cost ?? 0) * 1e6), 0),
          booked: Number(window?.["used"]) / 1e6
        })
      )
      const { booked, logged } = yield* Effect.repeat(Effect.delay(books, "200 millis"), {
        until: ({ booked, logged }) => booked >= logged,
        times: 150
      }).pipe(Effect.zipRight(books))
      assert.isAtLeast(booked, logged)
      assert.isAtMost(booked, logged + callers * rounds * price)
      assert.isAtMost(booked, provider.requests.length * price)
      child.kill("SIGTERM")
      assert.strictEqual((yield* ended).code, 143)
    }))
  })

describe("every answer that a client got in full has its row once", () => {
  it.scopedLive("though the gateway is killed under load, over SQLite and PostgreSQL", () =>
    Effect.gen(function*() {
      const [directory, other] = [yield* temporary, yield* temporary]
      const file = join(directory, "majordomo.db")
      const database = yield* pg
      const rounds = isSoak ? 20 : 2
      // Most of the time is waiting until the killed ones count as dead.
      yield* Effect.all(
        [killed(file, sqliteAt(file), directory, rounds), killed(database.url, database, other, rounds)],
        { concurrency: 2 }
      )
    }), { timeout: 180_000 })
})

describe("while the database is away", () => {
  it.scopedLive(
    "keys that were seen go on, others are told to come again, and no row is lost",
    () =>
      Effect.gen(function*() {
        const server = yield* pgServer
        const provider = yield* answering
        const gateway = yield* run({ database: server.url, providers: { openai: { baseUrl: provider.url } } })
        const ask = (key: string) =>
          send(`${gateway.url}/v1/chat/completions`, { headers: { ...own, "x-majordomo-key": key }, body: question() })
        const { secret } = yield* gateway.apiKeys.create({ name: "unseen" })
        assert.strictEqual((yield* ask(gateway.key)).status, 200)
        yield* server.stop
        const until = Date.now() + (isSoak ? 60_000 : 7_000)
        let asked = 1
        while (Date.now() < until) {
          assert.strictEqual((yield* ask(gateway.key)).status, 200)
          asked++
          yield* Effect.sleep("100 millis")
        }
        const unseen = yield* ask(Redacted.value(secret))
        assert.strictEqual(unseen.status, 503)
        assert.strictEqual((yield* ask("mdm_sk_garbage")).status, 401)
        yield* server.start
        const rows = yield* rowsOf(gateway, asked + 2)
        assert.strictEqual(rows.filter(({ status }) => status === "success").length, asked)
        assert.strictEqual(new Set(rows.map(({ requestId }) => requestId)).size, rows.length)
      }),
    { timeout: 120_000 }
  )
})

describe("clients that come and go", () => {
  /** Leaves after so many ms, or stays. */
  const visit = (gateway: Running, leaveAfter: number) =>
    Effect.async<void>((resume) => {
      const request = http.request(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        agent: false,
        headers: { ...own, "x-majordomo-key": gateway.key }
      }, (response) => {
        response.resume()
        response.on("error", () => {})
        response.on("close", () => resume(Effect.void))
      })
      request.on("error", () => resume(Effect.void))
      request.end(question({ stream: true }))
      setTimeout(() => request.destroy(), leaveAfter)
    })

  it.scopedLive("leave no socket and one row each, whatever the provider does", () =>
    Effect.gen(function*() {
      let open = 0
      const provider = yield* upstream((request, response) => {
        open++
        response.on("close", () => open--)
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(chatEvents[1])
        const kind = request.socket.remotePort ?? 0
        if (kind % 4 === 0) return
        if (kind % 4 === 1) setTimeout(() => response.end(chatEvents.slice(2).join("")), 40)
        if (kind % 4 === 2) setTimeout(() => response.socket?.resetAndDestroy(), 30)
        if (kind % 4 === 3) setTimeout(() => response.socket?.end(), 30)
      })
      const gateway = yield* run({ providers: { openai: { baseUrl: provider.url } } })
      const count = isSoak ? 2000 : 200
      yield* Effect.forEach(
        Array.from({ length: count }, (_, i) => i),
        (i) => visit(gateway, 5 + (i * 37) % 120),
        { concurrency: 200, discard: true }
      )
      const rows = yield* Effect.repeat(Effect.delay(gateway.rows, "50 millis"), {
        until: (all) => all.length >= Math.min(1000, count),
        times: 100
      }).pipe(Effect.zipRight(gateway.rows))
      const reached = provider.requests.length
      assert.isAtMost(reached, count)
      if (!isSoak) {
        assert.isAtLeast(rows.length, reached)
        assert.strictEqual(new Set(rows.map(({ requestId }) => requestId)).size, rows.length)
        assert.isAtMost(rows.length, count)
      }
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => open === 0, times: 200 })
      assert.strictEqual(open, 0)
    }), { timeout: 60_000 })
})
