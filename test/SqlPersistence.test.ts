import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Stream, TestClock } from "effect"
import * as Cache from "../src/Cache.ts"
import { LLM } from "../src/index.ts"
import * as SqlPersistence from "../src/SqlPersistence.ts"
import { TestLLM } from "../src/testing/index.ts"
import { dialects } from "./logging/databases.ts"

const ask = LLM.generateText({ prompt: "It's \"quoted\" \\ and ?" })

describe("SqlPersistence", () => {
  for (const [name, make] of dialects) {
    describe(name, () => {
      it.scoped("a later program finds the answer, until it is too old", () =>
        Effect.gen(function*() {
          const { client, query } = yield* make
          const program = (script: ReadonlyArray<string>) =>
            Cache.layer({ timeToLive: "1 hour" }).pipe(
              Layer.provide(TestLLM.layer(script)),
              Layer.provide(SqlPersistence.layer),
              Layer.provide(client)
            )
          const first = yield* Effect.provide(ask, program(["it's ' \" ü \u0001"]))
          assert.isUndefined(first.cached)
          const second = yield* Effect.provide(ask, program([]))
          assert.deepStrictEqual([second.text, second.cached], [first.text, true])
          const streamed = yield* Stream.runLast(LLM.streamText({ prompt: "It's \"quoted\" \\ and ?" })).pipe(
            Effect.provide(program([]))
          )
          assert.strictEqual(Option.getOrThrow(streamed)._tag, "Finish")

          yield* TestClock.adjust("1 hour")
          const third = yield* Effect.provide(ask, program(["another"]))
          assert.deepStrictEqual([third.text, third.cached], ["another", undefined])
          assert.lengthOf(yield* query("SELECT * FROM llm_cache"), 1)
        }))

      it.scoped("two at once make one table; stores do not see each other's answers", () =>
        Effect.gen(function*() {
          const { client } = yield* make
          const program = (storeId: string, answer: string) =>
            Cache.layer({ storeId }).pipe(
              Layer.provide(TestLLM.layer([answer])),
              Layer.provide(SqlPersistence.layer),
              Layer.provide(client)
            )
          const [one, two] = yield* Effect.all([
            Effect.provide(ask, program("one", "1")),
            Effect.provide(ask, program("two", "2"))
          ], { concurrency: 2 })
          assert.deepStrictEqual([one.text, two.text], ["1", "2"])
          const again = yield* Effect.provide(ask, program("one", "never"))
          assert.strictEqual(again.text, "1")
        }))
    })
  }
})
