/** Who spends what: calls of several users and features go into a SQLite file, which is then asked. */
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as FileSystem from "@effect/platform/FileSystem"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as LLM from "effect-majordomo/LLM"
import * as CostReport from "effect-majordomo/logging/CostReport"
import * as Logging from "effect-majordomo/logging/Logging"
import * as SqliteRequestLog from "effect-majordomo/logging/SqliteRequestLog"
import * as FakeProvider from "effect-majordomo/testing/FakeProvider"
import * as BigDecimal from "effect/BigDecimal"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { anthropic } from "./shared.ts"

const asked = [
  ["ada", "chat-bot", 1],
  ["ada", "search", 2],
  ["bob", "chat-bot", 5],
  ["eve", "chat-bot", 3],
  ["eve", "search", 1]
] as const

const calls = Effect.forEach(
  asked,
  ([userId, feature, times]) =>
    Effect.repeatN(LLM.generateText({ prompt: "Hello" }), times - 1).pipe(LLM.withMetadata({ userId, feature }))
)

const report = Effect.gen(function*() {
  const groups = yield* CostReport.totals({ by: [{ label: "user-id" }, { label: "feature" }] })
  for (const { cost, group: [user, feature], inputTokens, outputTokens, requests } of groups) {
    yield* Console.log(
      user,
      feature,
      `${requests} calls`,
      `${inputTokens + outputTokens} tokens`,
      `$${BigDecimal.format(cost)}`
    )
  }
  const sql = yield* SqliteClient.SqliteClient
  const rows = yield* sql`
    SELECT raw_metadata->>'User-Id' AS user_id, COUNT(*) AS requests, SUM(total_cost) AS total_cost
    FROM llm_requests WHERE raw_metadata->>'Feature' = 'chat-bot' GROUP BY 1 ORDER BY total_cost DESC`
  for (const row of rows) yield* Console.log(row)
})

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const filename = `${yield* fs.makeTempDirectoryScoped()}/llm_logs.db`
  const replies = Array.from({ length: 12 }, () => FakeProvider.text("Hello to you."))
  yield* Effect.provide(
    calls,
    Logging.layer().pipe(
      Layer.provide(anthropic(...replies)),
      Layer.provide(SqliteRequestLog.layer({ filename }))
    )
  )
  yield* Effect.provide(report, SqliteClient.layer({ filename }))
})

program.pipe(Effect.scoped, Effect.provide(NodeContext.layer), NodeRuntime.runMain)
